"""The outline of a mask is the line around its pixels: parts, holes and crossings as scipy and matplotlib see them."""

import json

import faster_coco_eval.core.mask as coco_mask
import numpy as np
import pytest
from matplotlib.path import Path as Line
from scipy import ndimage

import convolens as cl
from convolens.data import read_data
from convolens.data.formats.coco.masks import outlines_around
from convolens.errors import FileNote, MemoryRefused
from convolens.media.images import write_image

ANY_SIDE = np.ones((3, 3))


def filled(outlines, shape) -> np.ndarray:
    """The pixels whose centers are within one of the outlines."""
    ys, xs = np.mgrid[: shape[0], : shape[1]] + 0.5
    centers = np.stack([xs.ravel(), ys.ravel()], 1)
    lines = [np.reshape(one, (-1, 2)) for one in outlines]
    inside = [Line(np.vstack([line, line[:1]]), closed=True).contains_points(centers) for line in lines]
    return np.any(inside, axis=0).reshape(shape)


@pytest.mark.parametrize("seed", range(12))
def test_outlines_hold_the_pixels_of_random_masks_and_nothing_else(seed):
    luck = np.random.default_rng(seed)
    mask = luck.random(luck.integers(1, 24, 2)) < luck.uniform(0.2, 0.9)
    mask[0, 0] = True
    outlines, holes = outlines_around(mask, 0, 0)
    parts, count = ndimage.label(mask)
    each = [parts == number for number in range(1, count + 1)]
    wanted = np.any([ndimage.binary_fill_holes(one, ANY_SIDE) for one in each], axis=0)
    assert len(outlines) == count
    np.testing.assert_array_equal(filled(outlines, mask.shape), wanted)
    around = [ndimage.label(np.pad(~one, 1, constant_values=True), ANY_SIDE)[1] for one in each]
    assert holes == sum(around) - count
    corners = np.array(outlines[0]).reshape(-1, 2)
    assert all((a == b).sum() == 1 for a, b in zip(corners, np.roll(corners, 1, axis=0), strict=True))  # none is idle


def coco(folder, *segmentations, **more):
    write_image(folder / "a.png", np.zeros((80, 100, 3), np.uint8))
    rows = [{"image_id": 1, "category_id": 1, "segmentation": one, **more} for one in segmentations]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}]}
    (folder / "a.json").write_text(json.dumps(content | {"annotations": rows}))
    return folder / "a.json"


def packed(mask) -> dict:
    found = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return found | {"counts": found["counts"].decode()}


def runs(mask) -> dict:
    pixels = mask.T.ravel()
    at = [0, *np.flatnonzero(np.diff(pixels)) + 1, pixels.size]
    return {"size": list(mask.shape), "counts": [0] * bool(pixels[0]) + np.diff(at).tolist()}


def disk(x, y, radius):
    ys, xs = np.mgrid[:80, :100]
    return (xs - x) ** 2 + (ys - y) ** 2 < radius**2


@pytest.mark.parametrize("write", [packed, runs])
@pytest.mark.parametrize(
    ("mask", "parts"),
    [(disk(50, 40, 20), 1), (disk(20, 40, 15) | disk(70, 40, 15), 2), (disk(0, 0, 30), 1), (disk(50, 40, 99), 1)],
)
def test_a_mask_reaches_yolo_seg_with_its_shape(tmp_path, write, mask, parts):
    file = coco(tmp_path, write(mask))
    (box,) = read_data(file, outlines=True).examples[0].boxes
    assert len(box.outlines) == parts
    np.testing.assert_array_equal(filled(box.outlines, mask.shape), mask)
    found = cl.convert(file, tmp_path / "to", to="yolo-seg")
    assert any("in several parts, which are joined" in one for one in found.losses) == (parts > 1)
    assert not any("rectangle" in one for one in found.losses)
    (again,) = read_data(tmp_path / "to", outlines=True).examples[0].boxes
    np.testing.assert_array_equal(filled(again.outlines, mask.shape), mask)
    assert not read_data(file).examples[0].boxes[0].outlines  # where none are asked for


def test_holes_are_filled_and_told_and_crowds_are_named_as_lost(tmp_path):
    ring = disk(50, 40, 20) & ~disk(50, 40, 5)
    file = coco(tmp_path, packed(ring), packed(ring & ~disk(50, 28, 3)))
    with pytest.warns(FileNote, match=r"annotation None has a mask with 1 hole, which is filled; one of 2"):
        first, _ = read_data(file, outlines=True).examples[0].boxes
    np.testing.assert_array_equal(filled(first.outlines, ring.shape), disk(50, 40, 20))
    coco(tmp_path, packed(disk(50, 40, 20)), iscrowd=1)
    assert "1 crowd" in cl.convert(file, tmp_path / "to", to="yolo-seg").losses


def test_a_mask_over_the_budget_is_refused(tmp_path):
    side = 1 << 19
    file = coco(tmp_path, {"size": [side, side], "counts": [0, side * side]})
    assert read_data(file).examples[0].boxes[0].xyxy == (0, 0, side, side)  # whose runs alone are looked at
    with pytest.raises(MemoryRefused, match="a mask of 524288 × 524288 pixels"):
        read_data(file, outlines=True)
