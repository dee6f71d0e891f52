"""Making a detector: SSD300 and SSD512 on VGG16 as published, any other size and trunk by the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path

from convolens.arrays import as_real
from convolens.errors import ArgumentError
from convolens.media.files import AnyPath
from convolens.models.detect.default_boxes import (
    SSD300_STRIDES,
    Shapes,
    checked_shapes,
    checked_strides,
    published_shapes,
)
from convolens.models.detect.detector import Detector
from convolens.models.detect.feature_maps import MAX_WIDTH, default_taps, init_from_dense, initialize, plan
from convolens.models.detect.loss import Objectness
from convolens.models.detect.published import is_published, published_detector
from convolens.models.inputs import class_names_of, device_of
from convolens.models.model_file import is_model_file, read_model_file
from convolens.trunks import TRUNKS, Trunk
from convolens.trunks.options import ResNetOptions, need_seed
from convolens.trunks.preprocessing import MAX_SIDE
from convolens.trunks.registry import trunk as make_trunk
from convolens.trunks.vgg import VGGS, is_vgg
from convolens.trunks.weights.checkpoint import is_weights_name, read_checkpoint
from convolens.trunks.weights.loading import build_with, open_weights
from convolens.trunks.weights.state_dicts import State

Size = int | tuple[int, int]


def detector(
    trunk: str | Trunk = "vgg16",
    *,
    size: Size = 300,
    classes: Sequence[str] | int | None = None,
    weights: AnyPath | None = None,
    taps: str | Sequence[str] | None = None,
    boxes: Shapes | None = None,
    strides: Sequence[float] | None = None,
    objectness: Objectness = "softmax",
    width: float = 1.0,
    seed: int = 0,
    device: str = "auto",
) -> Detector:
    """A detector in evaluation mode: an untrained one on a trunk, or a published one.

    VGG16 at 300 and 512 pixels is SSD300 and SSD512 as published (with the default boxes of the authors' models for
    COCO); fc6 and fc7 come from the dense layers of VGG's weights, where those have them.

    Args:
        trunk: its name, or one that is already made (whose preprocessing is changed to `size`).
        size: of the network's input, in pixels: one side, or height and width. Pictures are stretched to it.
        classes: names of what there is to find, or how many, without background. None takes those of a published
            detector.
        weights: of the trunk, by name or path; or a whole detector to start from: torchvision's
            `ssd300_vgg16_coco-b556d3b4.pth`, or a detector's own `.safetensors` file. A whole detector brings its
            trunk, size, boxes and the rest; given other `classes`, it keeps all but the heads for classes.
        taps: the trunk's maps that are used; None: for VGG the last of stages 4 and 5, else the last of each stride
            of at least 8.
        boxes: shapes of the default boxes at each cell of each map, widths and heights as fractions of the picture's,
            see `shapes_of` and `fit_shapes`; None: the authors'.
        strides: pixels between the centers of default boxes on each map; None: the authors', or evenly spread.
        objectness: `softmax`, the paper's: background is a class like the others; `binary`: whether there is an object
            is predicted first, which of the classes second.
        width: of the layers after the trunk, times the authors'; below 1 for small models.
        seed: of all random weights.
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, …; a trunk that is already made stays where it is.

    Raises:
        ArgumentError: no such trunk, weights or taps, no or doubled class names.
        ShapeError: a size too small for the taps.
        WeightsError: the weights cannot be had.

    >>> model = detector("vgg16", classes=("cat", "dog"))
    >>> model.defaults.count
    8732
    """
    names = None if classes is None else class_names_of(classes, 1)
    where, seed = device_of(trunk, device), need_seed(seed)
    whole = _whole(weights)
    if whole is not None:
        return (whole if names is None else whole.with_classes(names, seed=seed)).to(where)
    if names is None:
        raise ArgumentError("classes: need names of what there is to find, or weights of a whole detector, got neither")
    width = as_real(width, "width", f"a number above 0 and up to {MAX_WIDTH}", lambda value: 0 < value <= MAX_WIDTH)
    height_width = _pair(size)
    body, state = _trunk(trunk, weights, seed)
    body.preprocessing = replace(body.preprocessing, resize=None, crop=None, stretch=_size(size))
    chosen = default_taps(body) if taps is None else tuple(sorted(body.chosen(taps), key=body.taps.index))
    grids = plan(body, chosen, height_width, width).grids
    if (
        boxes is None
        and strides is None
        and is_vgg(body)
        and height_width == (300, 300)
        and len(grids) == len(SSD300_STRIDES)
    ):
        strides = SSD300_STRIDES
    model = Detector(
        body,
        taps=chosen,
        shapes=published_shapes(len(grids), height_width) if boxes is None else checked_shapes(boxes),
        class_names=names,
        strides=None if strides is None else checked_strides(strides),
        objectness=objectness,
        width=width,
    )
    initialize(model.feature_maps, seed)
    initialize(model.heads, seed)
    init_from_dense(model.feature_maps, state)
    return model.to(where).eval()


def _pair(size: Size) -> tuple[int, int]:
    pair = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else (size, size)
    if len(pair) != 2 or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in pair):
        raise ArgumentError(f"size: need one side or height and width in pixels, 1 to {MAX_SIDE}, got {size!r:.80}")
    return pair[0], pair[1]


def _size(size: Size) -> Size:
    """Gives a size as a preprocessing has it: one side where both are equal."""
    height, width = _pair(size)
    return height if height == width else (height, width)


def _whole(weights: AnyPath | None) -> Detector | None:
    """Reads the detector in a file; None where it holds a trunk's weights or is a name."""
    if weights is None or not isinstance(weights, str | PathLike) or not is_weights_name(fspath(weights)):
        return None
    if not Path(weights).is_file():
        return None
    if is_model_file(weights):
        file = read_model_file(weights)
        return Detector.from_file(file) if file.facts.get("task") == Detector.task else None
    checkpoint = read_checkpoint(Path(weights))
    return published_detector(checkpoint) if is_published(checkpoint) else None


def _trunk(trunk: str | Trunk, weights: AnyPath | None, seed: int) -> tuple[Trunk, State]:
    """Makes the trunk, and gives all tensors of its weights: VGG's dense layers are among them."""
    if isinstance(trunk, Trunk):
        return trunk, {}
    options = ResNetOptions()
    if isinstance(trunk, str) and trunk in VGGS:
        options["ceil_mode"] = True  # pools keep the last, incomplete window, as SSD's third one: 75 cells become 38
    if weights is None or not isinstance(trunk, str) or trunk not in TRUNKS:
        return make_trunk(trunk, weights=weights, seed=seed, device="cpu", **options), {}
    checkpoint = open_weights(trunk, weights)
    return build_with(checkpoint, trunk, TRUNKS, options), checkpoint.state
