import dataclasses
import json

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, MemoryRefused, ShapeError
from convolens.trunks import Preprocessing
from convolens.trunks import preprocessing as module

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0))


def picture(height=6, width=8, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype=dtype, endpoint=True)


def test_caffes_input_is_bgr_of_255_minus_means():
    caffe = Preprocessing(order="bgr", white=255.0, mean=(10.0, 20.0, 30.0), deviation=(1.0, 1.0, 1.0))
    pixels = picture()
    batch = caffe(pixels)
    expected = pixels[..., ::-1].astype(np.float32) - (10, 20, 30)
    np.testing.assert_allclose(batch[0].permute(1, 2, 0), expected, atol=1e-4)


def test_torchvisions_input_is_rgb_of_1_normalized():
    pixels = picture()
    expected = (pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(Preprocessing()(pixels)[0].permute(1, 2, 0), expected, atol=1e-6)


def test_all_kinds_of_pixels_mean_the_same_picture():
    pixels = picture()
    expected = PLAIN(pixels)
    for same in (pixels.astype(np.uint16) * 257, pixels / 255, (pixels / 255).astype(np.float32), torch.tensor(pixels)):
        torch.testing.assert_close(PLAIN(same), expected, atol=1e-6, rtol=0)


def test_gray_is_repeated_and_what_is_transparent_lies_over_white():
    gray = picture()[..., 0]
    torch.testing.assert_close(PLAIN(gray), PLAIN(np.stack([gray] * 3, axis=2)))
    half = np.concatenate([np.zeros((2, 2, 3)), np.full((2, 2, 1), 0.25)], axis=2)
    torch.testing.assert_close(PLAIN(half), torch.full((1, 3, 2, 2), 0.75))


def test_many_pictures_make_one_batch_in_order():
    first, second = picture(seed=1), picture(seed=2)
    batch = PLAIN([first, second])
    torch.testing.assert_close(batch, torch.cat([PLAIN(first), PLAIN(second)]))
    torch.testing.assert_close(PLAIN(np.stack([first, second])), batch)


def test_pictures_of_different_sizes_need_a_resize():
    with pytest.raises(ShapeError, match=r"pictures: need one size for a batch, got 6×8, 6×9; resize or pass"):
        PLAIN([picture(), picture(width=9)])
    square = dataclasses.replace(PLAIN, resize=4, crop=4)
    assert square([picture(), picture(width=9)]).shape == (2, 3, 4, 4)


def test_resizing_sets_the_shorter_side_and_keeps_the_shape():
    resized = dataclasses.replace(PLAIN, resize=32)(picture(64, 100))
    assert resized.shape == (1, 3, 32, 50)


def test_resizing_keeps_a_ramp_a_ramp():
    ramp = np.broadcast_to(np.linspace(0, 1, 64)[:, None], (64, 64))
    small = dataclasses.replace(PLAIN, resize=16)(ramp)[0, 0, :, 0]
    np.testing.assert_allclose(small[2:-2], np.linspace(0, 1, 64).reshape(16, 4).mean(1)[2:-2], atol=1e-5)


def test_the_center_is_cut_out():
    pixels = picture(10, 8)
    torch.testing.assert_close(dataclasses.replace(PLAIN, crop=4)(pixels), PLAIN(pixels[3:7, 2:6]))
    with pytest.raises(ShapeError, match=r"picture: need at least 9×9 pixels to crop, got 10×8"):
        dataclasses.replace(PLAIN, crop=9)(pixels)


def test_denormalize_undoes_normalize():
    for preprocessing in (Preprocessing(), Preprocessing(order="bgr", white=255.0, mean=(9.0, 8.0, 7.0))):
        batch = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(preprocessing.denormalize(preprocessing.normalize(batch)), batch)


def test_it_survives_a_model_files_header():
    kept = Preprocessing(order="bgr", resize=256, crop=224, interpolation="bicubic")
    assert Preprocessing.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept
    with pytest.raises(ArgumentError, match=r"preprocessing: need the fields order, white, .*, got colour"):
        Preprocessing.from_dict({"colour": "rgb"})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "pictures: need at least one, got none"),
        (np.zeros((2, 2, 5)), r"picture: need .*width, 1, 3 or 4\), not empty, got \(2, 2, 5\)"),
        (np.zeros(4), r"picture: need \(height, width\) or .* got \(4,\)"),
    ],
)
def test_what_is_no_picture_is_refused(bad, message):
    with pytest.raises(ShapeError, match=message):
        PLAIN(bad)


def test_what_is_no_picture_at_all_is_refused():
    with pytest.raises(ArgumentError, match=r"pictures: need a path, .* or several, got int"):
        PLAIN(3)


def test_pictures_of_any_sizes_are_one_batch_at_a_size():
    trunk = cl.trunk("resnet18", seed=0)
    pictures = [np.full(shape, 200, np.uint8) for shape in ((40, 70, 3), (90, 33, 3), (20, 20, 3))]
    batch = trunk.preprocess(pictures, size=32)
    assert batch.shape == (3, 3, 32, 32)
    torch.testing.assert_close(batch[0], batch[2])
    with pytest.raises(ArgumentError, match="size: need a whole number of at least 1, got 0"):
        trunk.preprocess(pictures, size=0)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("shape", "resize"), [((301, 211, 3), 64), ((120, 333, 4), 200), ((50, 40), 30), ((90, 70, 3), (90, 20))]
)
def test_a_large_picture_is_resized_by_strips_with_the_bits_of_the_whole(monkeypatch, interpolation, shape, resize):
    stretch = {"stretch": resize} if isinstance(resize, tuple) else {"resize": resize, "crop": 24}
    taken = Preprocessing(interpolation=interpolation, **stretch)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    whole, strips = taken(picture), []
    monkeypatch.setattr(module, "_STRIP_PIXELS", 7 * shape[1])
    unit = Preprocessing._unit
    monkeypatch.setattr(Preprocessing, "_unit", lambda self, array: strips.append(len(array)) or unit(self, array))
    assert torch.equal(taken(picture), whole)
    assert len(strips) > 1 and max(strips) == 8


def test_a_large_picture_takes_no_more_than_its_strips():
    cl.memory_limit("64MB")
    try:
        picture = np.broadcast_to(np.uint8(200), (5000, 6000, 3))  # 720 MB as floats, twice
        assert Preprocessing(resize=224, crop=224)(picture).shape == (1, 3, 224, 224)
        with pytest.raises(MemoryRefused, match="picture of"):
            Preprocessing()(picture)
    finally:
        cl.memory_limit("auto")
