"""What the campaign found, as small as it was made: each is refused in a sentence now, or right."""

import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.convolution.algorithms import separable
from convolens.convolution.windows import planned
from convolens.effects.sounds.resampling import resample
from convolens.errors import (
    ArgumentError,
    BoundaryError,
    ConvolensError,
    DeviceError,
    DtypeError,
    FileError,
    FormatError,
    MethodError,
    ShapeError,
    WeightsError,
)
from convolens.inference.predict import predict_files
from convolens.inference.stylize import _load_state
from convolens.media.audio import read_audio
from convolens.media.audio_parts import read as parts_of
from convolens.media.images import read_header
from convolens.training.checkpoint import read_checkpoint
from convolens.trunks.weights.tensor_file import write_tensor_file
from tests.fuzz import containers, networks, pictures, predictions, sounds

pytestmark = pytest.mark.bad_input

PICTURE, SOUND = np.zeros((9, 12), np.float32), np.zeros((60, 2), np.float32)
MAPS, FILTERS = torch.zeros(2, 3, 6, 7), torch.zeros(4, 3, 3, 3)
EMPTY = np.zeros(0)  # has no truth value
META, SPARSE = torch.zeros(2, device="meta"), torch.eye(9).to_sparse()
CLAIM = np.broadcast_to(np.float32(0), (1 << 48, 12))  # four bytes
BOXES = np.float32([[1, 2, 5, 6]])

FOLDER = Path(__file__).parent  # a path with nothing there would be told first


def _network():
    return networks.network()


def _quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.zeros(9, 12), 0.1, 0, torch.quint8)


def _layers():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: cl.convolve(PICTURE, PICTURE, method=["fft"]), MethodError, "method: need one of auto"),
        (lambda: cl.convolve(PICTURE, PICTURE, method=EMPTY), MethodError, "method: need one of auto"),
        (lambda: cl.convolve(PICTURE, PICTURE, EMPTY), ArgumentError, "mode: need one of full"),
        (lambda: cl.convolve(PICTURE, PICTURE, fill_value=[[1, 2], [3]]), DtypeError, "fill_value: need a number"),
        (lambda: cl.convolve(CLAIM, PICTURE), ShapeError, "x: need an array that memory can hold"),
        (lambda: cl.plan(SOUND[:, 0], CLAIM[:, 0]), ShapeError, "kernel: need an array that memory can hold"),
        (lambda: cl.convolve(SPARSE, np.ones((2, 2), np.float32)), DtypeError, "tensor: need a dense tensor"),
        (lambda: cl.plan(PICTURE, PICTURE, method=EMPTY), MethodError, "method: need one of auto"),
        (lambda: cl.evaluate(_network(), SOUND), ArgumentError, "path: need where the data is, got ndarray"),
        (lambda: cl.layers.conv2d(np.array(1 << 63), FILTERS), DtypeError, "x: need floating-point numbers"),
        (lambda: cl.sharpen(PICTURE, boundary=EMPTY), BoundaryError, "boundary: need one of constant"),
        (lambda: cl.canny(torch.zeros(9, 12, device="meta")), DeviceError, "need numbers, got one on the device meta"),
        (lambda: cl.sobel(_quantized()), DtypeError, "image: need a dense tensor"),
        (lambda: cl.sobel(CLAIM), ShapeError, "image: need an array that memory can hold"),
        (lambda: cl.blur(PICTURE, META), ConvolensError, "sigma: need"),
        (lambda: cl.laplacian_of_gaussian(PICTURE, 1e-300), ArgumentError, "sigma: need widths from 0.01"),
        (lambda: cl.kernel("log", 1e-300), ArgumentError, "kernel log: need a size in pixels from 0.01"),
        (lambda: cl.write_image("out.png", META), DtypeError, "which NumPy cannot read"),
        (lambda: cl.write_image(b"a", PICTURE), ArgumentError, "path: need where to write a picture, got bytes"),
        (lambda: cl.write_audio(1e308, SOUND, 8000), ArgumentError, "path: need where to write a sound, got float"),
        (lambda: cl.write_audio("a.wav", SOUND, 8000, subtype=3), ArgumentError, "subtype: need an encoding's name"),
        (lambda: cl.echo(SOUND, 1000, 0.01, 0.5, sub_sample=EMPTY), ArgumentError, "sub_sample: need True or False"),
        (lambda: cl.echo(SOUND, 1e308, 0.01, 0.5), ArgumentError, "rate: need a positive number of frames a second"),
        (lambda: cl.find_echoes(memoryview(SOUND), 1000), DtypeError, "samples: need an array or a tensor"),
        (lambda: cl.unecho(torch.zeros(60), 1000, 0.01, 0.5), DtypeError, "samples: need a NumPy array, got a tensor"),
        (lambda: cl.reverb(SOUND, torch.ones(2)), DtypeError, "impulse: need ndarray, as the samples are, got Tensor"),
        (lambda: cl.unecho(SOUND, 1000, 0.01, 0.5, regularization=1e308), ArgumentError, "regularization: need a numb"),
        (lambda: resample(SOUND, 1000, 1e9), ArgumentError, "rate: need rates at most 65,536 to one apart"),
        (lambda: cl.draw_boxes(PICTURE, BOXES, labels=META), ArgumentError, "labels: need one for each of the 1 boxes"),
        (lambda: cl.draw_boxes(PICTURE, BOXES, kinds=len), ArgumentError, "kinds: need one for each of the 1 boxes"),
        (lambda: cl.draw_boxes(PICTURE, BOXES, scores=["a"]), ArgumentError, "scores: need a finite number, got 'a'"),
        (lambda: cl.draw_boxes(PICTURE, BOXES[:, :3]), ShapeError, r"boxes_xyxy: need \(boxes, 4\)"),
        (lambda: cl.draw_boxes(PICTURE, BOXES * np.nan), ArgumentError, "boxes_xyxy: need finite numbers"),
        (lambda: cl.threads(1 << 63), ArgumentError, "threads: need a whole number"),
        (lambda: cl.gram(np.zeros((0, 3, 6, 7), np.float32)), ShapeError, "features: need some on every axis"),
        (lambda: cl.gram(MAPS, torch.ones(6, 7, device="meta")), DeviceError, "mask: need numbers"),
        (lambda: cl.write_image("\ud800.png", PICTURE), FileError, "need a name that a file can have"),
        (lambda: cl.write_image(f"{'n' * 5000}.png", PICTURE), FileError, "cannot be written: File name too long"),
        (lambda: cl.gram(MAPS.to_sparse()), DtypeError, "features: need a dense tensor"),
        (lambda: cl.layers.conv2d(MAPS.to_sparse(), FILTERS), DtypeError, "x: need a dense tensor"),
        (lambda: cl.layers.conv2d(MAPS, FILTERS, groups=[]), ArgumentError, "groups: need a whole number"),
        (lambda: cl.layers.conv2d(MAPS, FILTERS, stride=EMPTY), ArgumentError, "groups: need whole numbers or pairs"),
        (lambda: cl.layers.Conv2d((1, 2), 4, 3), ArgumentError, "in_channels: need a whole number"),
        (lambda: cl.layers.Conv2d(1 << 63, 4, 3), ArgumentError, "in_channels: need a whole number"),
        (lambda: cl.layers.Conv2d(3, 4, 3, bias=EMPTY), ArgumentError, "bias: need True or False"),
        (lambda: cl.layers.MaxPool2d(2, ceil_mode="no"), ArgumentError, "ceil_mode: need True or False, got 'no'"),
        (lambda: cl.layers.max_pool2d(MAPS, 2, ceil_mode="no"), ArgumentError, "ceil_mode: need True or False"),
        (lambda: cl.layers.max_pool2d(MAPS, 2, 1 << 63), ArgumentError, "stride: need a whole number"),
        (
            lambda: cl.layers.max_pool2d_backward(MAPS, MAPS.long(), range),
            ArgumentError,
            "x_shape: need the shape of x",
        ),
        (lambda: cl.layers.max_pool2d_backward(MAPS, MAPS.long(), "abcd"), ArgumentError, "x_shape: need the shape"),
        (lambda: cl.fuse("exact"), ArgumentError, "model: need a torch module, got str"),
        (lambda: cl.receptive_fields(0.5), ArgumentError, "trunk: need a trunk, as cl.trunk makes it, got float"),
        (lambda: cl.share_trunk(_network().trunk, "a"), ArgumentError, "heads: need a model for each name"),
        (lambda: cl.convolutionalize(_layers(), "full"), ArgumentError, "input_size: need a whole number"),
        (lambda: cl.convolutionalize(_layers(), 9), ArgumentError, "input_size: need the size that the model takes"),
        (lambda: cl.wrap_module(0.5, "1"), ArgumentError, "module: need a torch module, got float"),
        (lambda: cl.wrap_module(_layers(), 7), ArgumentError, "taps, class_names: need names, got 7"),
        (lambda: cl.explain(_network(), PICTURE, noise_samples="a"), ArgumentError, "noise_samples: need a whole"),
        (lambda: cl.explain(_network(), PICTURE, taps=7), ArgumentError, "taps: need names, got 7"),
        (lambda: cl.explain(_network(), PICTURE, batch="a"), ArgumentError, "batch: need a whole number"),
        (lambda: cl.explain(_network(), PICTURE, device=EMPTY), DeviceError, "device: need auto"),
        (lambda: cl.explain_top(_network(), PICTURE, "a"), ArgumentError, "count: need a whole number"),
        (
            lambda: cl.evaluate("valid", "data"),
            ArgumentError,
            "model: need one that cl.load or cl.train gives, got str",
        ),
        (lambda: cl.learned_edges(PICTURE, device=[None]), DeviceError, "device: need auto"),
        (lambda: cl.memory_limit(np.zeros((2, 2))), ArgumentError, "memory"),
        (lambda: cl.convert(FOLDER, "a\0", to="csv"), FileError, "need a name that a file can have"),
        (lambda: cl.convert(FOLDER, 3, to="csv"), ArgumentError, "path: need a folder to write into, got int"),
        (
            lambda: cl.convert(FOLDER, "out", to="csv", group_by=3),
            ArgumentError,
            "group_by: need folder, prefix, column",
        ),
        (lambda: cl.convert(FOLDER, "out", to="csv", seed="a"), ArgumentError, "seed: need a whole number"),
        (lambda: cl.train("classify", FOLDER, out="run", mixup=(1,)), ArgumentError, "mixup: need a number above 0"),
        (lambda: cl.train("classify", FOLDER, out="run", lr=META), ArgumentError, "lr: need a plain value, got Tensor"),
    ],
)
def test_an_argument_that_no_one_should_give_is_refused_in_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_masks_that_are_no_list_are_refused():
    trunk, content = _network().trunk, networks.PICTURE
    with pytest.raises(ArgumentError, match="masks: need one for each of the 1 styles"):
        cl.stylize(content, content, trunk=trunk, content_taps=["layer1.0"], style_taps=["layer1.0"], masks=len)


def test_a_tensor_on_no_device_goes_through_a_layer_for_its_shape():
    meta = MAPS.to("meta")
    assert cl.layers.conv2d(meta, FILTERS.to("meta")).shape == (2, 4, 4, 5)


def test_places_of_another_byte_order_are_places():
    y, argmax = cl.layers.max_pool2d(np.arange(8.0).reshape(1, 2, 4), 2, return_argmax=True)
    swapped = argmax.astype(">i8")
    expected = cl.layers.max_pool2d_backward(y, argmax, (1, 2, 4))
    assert np.array_equal(cl.layers.max_pool2d_backward(y, swapped, (1, 2, 4)), expected)


def test_bands_are_counted_without_going_through_them():
    from convolens.convolution.arrange import arrange

    kernel = np.ones((9, 9), np.float32)
    x = np.zeros((5000, 500), np.float32)
    arranged = arrange(x.shape, kernel.shape, "same", None, "symmetric", 0)
    spec = planned(x, arranged.canonical(kernel, flip=True), arranged.window, "separable").problem
    assert separable.count(spec) == len(list(separable._bands(spec))) > 1


def test_a_film_whose_sound_says_no_length_is_as_long_as_the_film(tmp_path):
    import av

    path = tmp_path / "a.mka"
    with av.open(path, "w", format="matroska") as out:
        track = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.ones((1, 800), np.int16), format="s16", layout="mono")
            frame.rate = 8000
            out.mux(track.encode(frame))
        out.mux(track.encode())
    assert len(read_audio(path)[0]) == 16000
    path.write_bytes(path.read_bytes()[:15000])
    with pytest.raises(FormatError, match=r"need the 2\.\d\d s of sound that its header claims"):
        read_audio(path)


def test_a_flac_of_unknown_length_cut_before_its_first_frame_ends_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    whole = sounds.flac_seeds()[3]
    path.write_bytes(whole)
    assert len(read_audio(path)[0]) == sounds.FRAMES
    path.write_bytes(whole[:122])
    with pytest.raises(FormatError, match="need frames of sound behind its header, got none"):
        read_audio(path)


def test_a_mask_of_loudspeakers_that_is_no_number_is_none(tmp_path):
    path = tmp_path / "a.flac"
    whole = sounds.flac_seeds()[2]
    path.write_bytes(whole)
    assert parts_of(path, "FLAC").speakers == 3
    path.write_bytes(whole.replace(b"MASK=0x3", b"MASK=0xM"))
    assert parts_of(path, "FLAC").speakers is None


def test_of_two_orientations_of_a_png_the_first_holds(tmp_path):
    path = tmp_path / "a.png"
    head, chunks = containers.split_png(pictures.encoded(pictures.RGB, "PNG", exif=pictures.EXIF))
    last = containers.Chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0")
    path.write_bytes(containers.join_png(head, [*chunks[:-1], last, chunks[-1]]))
    pixels = cl.read_image(path)
    assert read_header(path).size == (pixels.shape[1], pixels.shape[0]) == (12, 9)


def test_a_ratio_of_nothing_in_a_state_of_training_is_refused(tmp_path):
    from convolens.models.model_file import RESUMED

    path = tmp_path / "last.ckpt"
    place = {"epoch": 1, "step": 0, "lr": 0.1, "sums": {}, "counts": {}, "rows": []}
    for ratio in (2, 0):
        facts = {"task": {"augmentation": [[1, 2], ratio, 0, 0]}}
        path.touch()
        text = json.dumps({"place": place, "ema_steps": 0, "facts": facts})
        write_tensor_file(path, {"model.a": torch.zeros(1)}, {RESUMED: text})
        if ratio:
            assert read_checkpoint(path).facts["task"]["augmentation"][1] == [0.5, 2]
    with pytest.raises(WeightsError, match="got a damaged file"):
        read_checkpoint(path)


@pytest.mark.parametrize("change", [{"epoch": "1"}, {"step": None}, {"lr": {}}, {"best": "a"}, {"sums": {"loss": "a"}}])
def test_a_state_of_training_that_says_no_number_where_one_must_be_is_refused(tmp_path, change):
    from convolens.models.model_file import RESUMED

    place = {"epoch": 1, "step": 0, "lr": 0.1, "sums": {}, "counts": {}, "rows": []}
    path = tmp_path / "last.ckpt"
    for facts in (place, place | change):
        path.touch()
        text = json.dumps({"place": facts, "ema_steps": 0, "facts": {"task": {}}})
        write_tensor_file(path, {"model.a": torch.zeros(1)}, {RESUMED: text})
        if facts is place:
            assert read_checkpoint(path).progress.epoch == 1
    with pytest.raises(WeightsError, match="need a number, got"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("picture", "facts"),
    [
        (np.float32([[[np.nan] * 3]]), {}),
        (np.int64([[[1, 2, 3]]]), {}),
        (np.float32([1, 2]), {}),
        (np.zeros((2, 2, 3), np.float32), {"step": "-1"}),
        (np.zeros((2, 2, 3), np.float32), {"run": "[" * 100_000}),
    ],
)
def test_a_state_of_restyling_that_cannot_be_is_refused(tmp_path, picture, facts):
    path = predictions.put_state(tmp_path, b"")
    state = tmp_path / ".a.png.resume.safetensors"
    good = {"scale": "0", "step": "2", "run": predictions.KEY}
    write_tensor_file(state, {"picture": torch.zeros(2, 2, 3)}, good)
    assert _load_state(path, predictions.KEY).step == 2
    write_tensor_file(state, {"picture": torch.from_numpy(picture)}, good | facts)
    with pytest.raises(ConvolensError, match="cannot be resumed from"):
        _load_state(path, predictions.KEY)


def test_a_description_of_predictions_without_end_is_refused(tmp_path):
    predictions.stage(tmp_path)
    out = predictions.put_manifest(tmp_path, b"[" * 100_000)
    with pytest.raises(FormatError, match="need what predictions are of as JSON"):
        predict_files(predictions.Guesser(), [tmp_path / "in"], out, pictures=False, progress=False)


def test_numbers_of_either_kind_will_do_for_options_of_either():
    sharp = cl.sharpen(PICTURE, amount=torch.tensor(1.0), threshold=torch.tensor(0.5))
    assert sharp.shape == cl.sharpen(torch.from_numpy(PICTURE), amount=np.array(1.0), threshold=np.array(0.5)).shape


def test_a_label_of_any_length_is_cut_at_once():
    started = time.process_time()
    drawn = cl.draw_boxes(PICTURE, BOXES, labels=["x" * 70_000])
    assert drawn.ndim == 3 and time.process_time() - started < 5


def test_a_masked_impulse_keeps_the_dtype():
    impulse = np.ma.masked_array(np.ones((9, 2), np.float32), False)
    assert cl.reverb(SOUND, impulse).dtype == np.float32


def test_a_kernel_of_unsigned_numbers_has_gradients():
    x, kernel = torch.ones(6), np.array([1, 2, 3], np.uint32)
    assert cl.convolve_gradients(x, kernel, torch.ones(8))[0].tolist() == [6.0] * 6


def test_fractions_that_are_no_list_are_refused_by_convert(tmp_path):
    networks.stage_classes(tmp_path)
    for split in (len, [0.5, "a"]):
        with pytest.raises(ArgumentError, match="split: need"):
            cl.convert(tmp_path / "data", tmp_path / "out", to="csv", split=split, progress=False)
