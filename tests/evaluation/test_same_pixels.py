"""Of one file, measuring, predicting, explaining, restyling and the filters see the same pixels, training nearly so."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from scipy.ndimage import gaussian_filter

import convolens as cl
from convolens.data import Box, Example
from convolens.data.augment import UNCHANGED, draw_view
from convolens.data.loading import load_small
from convolens.effects.pictures.files import change_picture_file
from convolens.errors import FormatError
from convolens.evaluation.classify import score_pictures
from convolens.evaluation.detect import detect_all
from convolens.evaluation.localize import locate_all
from convolens.media.images import read_image
from convolens.media.pixels import as_pixels, over_white
from convolens.models.detect import LOWEST
from convolens.stylization.pictures import as_unit
from convolens.training.pictures import stretched

SIDE = 64
CLASSES = ("cat", "dog")


def photo(height=90, width=130, white=255.0, seed=0):
    """Soft spots of every size, in three colors, of all values."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    soft = sum(gaussian_filter(noise, (size, size, 0)) * size for size in (1, 4, 16))
    return (soft - soft.min()) / (soft.max() - soft.min()) * white


RGB, DEEP = np.round(photo()).astype(np.uint8), np.round(photo(white=65535)).astype(np.uint16)
ALPHA = np.round(photo(seed=1)[..., :1]).astype(np.uint8)


def turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    return exif


def save(folder: Path) -> dict[str, Path]:
    color, gray = Image.fromarray(RGB), Image.fromarray(RGB[..., 0])
    color.save(folder / "color.png")
    color.save(folder / "color.jpg")
    gray.save(folder / "gray.png")
    gray.save(folder / "gray.jpg")
    color.convert("P").save(folder / "palette.png")
    Image.fromarray(np.dstack([RGB, ALPHA])).save(folder / "transparent.png")
    color.convert("CMYK").save(folder / "inks.jpg")
    color.save(folder / "turned.jpg", exif=turned())
    color.save(folder / "turned.webp", exif=turned(), lossless=True)
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(DEEP))
    (folder / "deep.tif").write_bytes(imagecodecs.tiff_encode(DEEP[..., 0]))
    deep_alpha = np.dstack([DEEP, ALPHA.astype(np.uint16) * 257])
    (folder / "deep-transparent.png").write_bytes(imagecodecs.png_encode(deep_alpha))
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return save(tmp_path_factory.mktemp("files"))


NAMES = (
    "color.jpg", "color.png", "deep-transparent.png", "deep.png", "deep.tif", "gray.jpg", "gray.png", "inks.jpg",
    "palette.png", "transparent.png", "turned.jpg", "turned.webp",
)  # fmt: skip


@pytest.fixture(scope="module")
def classifier():
    return cl.classifier("vgg16", classes=CLASSES, taps="conv2_1")


@pytest.fixture(scope="module")
def localizer():
    trunk = cl.trunk("vgg16")
    trunk.preprocessing = stretched(trunk.preprocessing, SIDE)
    return cl.localizer(trunk, classes=CLASSES, taps="conv2_1")


@pytest.fixture(scope="module")
def detector():
    return cl.detector("resnet18", size=(SIDE, SIDE), classes=CLASSES, width=0.25, seed=1)


def test_every_kind_of_file_is_here(files):
    assert tuple(files) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_of_a_file_is_what_is_predicted_for_it(files, classifier, localizer, detector, name):
    example = Example(files[name], (0,), (Box(0, (1, 1, 50, 60)),))
    pixels = over_white(read_image(files[name]))

    scores = score_pictures(classifier, [example]).scores
    for picture in (files[name], files[name].read_bytes(), pixels):
        named = classifier.predict(picture)
        assert dict(zip(named.labels, named.scores, strict=True)) == dict(zip(CLASSES, scores[0].tolist(), strict=True))

    located = locate_all(localizer, [example]).output
    assert torch.equal(located, localizer(localizer.preprocess(files[name])).detach())
    assert torch.equal(located, localizer(localizer.preprocess(pixels)).detach())

    (measured,) = detect_all(detector, [example]).found
    found = detector.predict(files[name], threshold=LOWEST, batch=16)
    np.testing.assert_array_equal(measured.boxes_xyxy, found.boxes_xyxy)
    np.testing.assert_array_equal(measured.scores, found.scores)


@pytest.mark.parametrize("name", NAMES)
def test_explaining_restyling_and_the_filters_see_them_too(files, classifier, name, tmp_path):
    pixels = over_white(read_image(files[name]))
    np.testing.assert_array_equal(cl.explain(classifier, files[name]).picture, pixels)
    unit = as_unit(files[name], "content")[0].permute(1, 2, 0).numpy()
    white = np.iinfo(pixels.dtype).max
    np.testing.assert_allclose(
        unit * white, np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), unit.shape), atol=0.01
    )
    seen = []
    change_picture_file(files[name], tmp_path / f"again{files[name].suffix}", lambda given: seen.append(given) or given)
    np.testing.assert_array_equal(seen[0], as_pixels(files[name]))


def test_the_depth_of_a_file_is_seen_not_only_its_upper_half(files, localizer):
    deep, shallow = localizer.preprocess(files["deep.png"]), localizer.preprocess(files["color.png"])
    assert not torch.equal(deep, shallow)
    torch.testing.assert_close(deep, shallow, atol=0.5 / 255 / 0.22, rtol=0)  # half a level, by the smallest deviation


def test_a_file_of_floats_is_refused_by_all_in_the_same_words(classifier, localizer, detector, tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(np.full((9, 9), 0.5, np.float32)).save(path)
    reason = f"{path}: need 8 bits a channel, or 16 in a PNG or TIFF, got Pillow's mode F"
    for model in (classifier, localizer, detector):
        with pytest.raises(FormatError) as error:
            model.predict(path)
        assert str(error.value) == reason
    with pytest.raises(FormatError) as error:
        cl.explain(classifier, path)
    assert str(error.value) == reason
    good = tmp_path / "good.png"
    Image.fromarray(RGB).save(good)
    for measure, model in ((score_pictures, classifier), (locate_all, localizer), (detect_all, detector)):
        measured = measure(model, [Example(path, (0,)), Example(good, (0,))])
        assert [one.reason for one in measured.skipped] == [reason]


@pytest.mark.parametrize(
    ("name", "most", "mean"),
    [("color.png", 1, 0.4), ("deep.png", 1.5, 0.4), ("color.jpg", 1, 0.4), ("large.jpg", 5, 0.8)],
)
def test_training_sees_the_same_within_a_few_levels(classifier, tmp_path, name, most, mean):
    """Unchanged views: Pillow resizes 8 bits where `predict` resizes floats; a large JPEG is decoded smaller."""
    side, path = 48, tmp_path / name
    size = 800 if name == "large.jpg" else 90
    square = photo(size, size, 65535.0 if name == "deep.png" else 255.0)
    if name == "deep.png":
        path.write_bytes(imagecodecs.png_encode(np.round(square).astype(np.uint16)))
    else:
        Image.fromarray(np.round(square).astype(np.uint8)).save(path, quality=95)  # which a PNG ignores
    loaded = load_small(Example(path, (0,)), side)
    assert (min(loaded.pixels.shape[:2]) < size) == (name == "large.jpg")
    view = draw_view(*loaded.pixels.shape[1::-1], UNCHANGED, np.random.default_rng(0))
    learned = torch.from_numpy(view.picture(loaded.pixels, side).copy()).permute(2, 0, 1)[None] / 255
    preprocessing = classifier.preprocessing.cropped(side)
    predicted = preprocessing.denormalize(preprocessing(path))
    levels = (learned - predicted).abs() * 255
    assert levels.max() <= most and levels.mean() <= mean
