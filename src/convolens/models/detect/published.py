"""Torchvision's published SSD300: its tensors under its names, and the names of what it detects."""

from __future__ import annotations

import re
from importlib.resources import files

import torch

from convolens.errors import WeightsError
from convolens.models.detect.default_boxes import SSD300_STRIDES, published_shapes
from convolens.models.detect.detector import Detector
from convolens.trunks import TRUNKS, Preprocessing
from convolens.trunks.weights.checkpoint import Checkpoint
from convolens.trunks.weights.state_dicts import State
from convolens.trunks.weights.strict import load_strictly

# What its pictures went through, in training and since.
PREPROCESSING = Preprocessing(
    mean=(0.48235, 0.45882, 0.40784), deviation=(1 / 255, 1 / 255, 1 / 255), stretch=300, antialias=False
)
MAPS = 6
COCO_CLASSES = 90
_NAMES = {
    r"backbone\.scale_weight": "feature_maps.norm.scale",
    r"backbone\.features\.(\d+)\.": r"trunk.features.\1.",
    r"backbone\.extra\.0\.1\.": "trunk.features.24.",
    r"backbone\.extra\.0\.3\.": "trunk.features.26.",
    r"backbone\.extra\.0\.5\.": "trunk.features.28.",
    r"backbone\.extra\.0\.7\.(\d)\.": r"feature_maps.dense.\1.",
    r"head\.classification_head\.module_list\.": "heads.classes.",
    r"head\.regression_head\.module_list\.": "heads.boxes.",
}
_EXTRA = re.compile(r"backbone\.extra\.([1-9])\.")


def is_published(checkpoint: Checkpoint) -> bool:
    """Whether it is a whole SSD of torchvision's, and not a trunk."""
    return "backbone.scale_weight" in checkpoint.state and any(key.startswith("head.") for key in checkpoint.state)


def published_detector(checkpoint: Checkpoint) -> Detector:
    """The detector in a checkpoint of torchvision's `ssd300_vgg16`, with as many classes as that has.

    With the 90 of COCO's they have their names, otherwise `class 1`, `class 2`, ….

    Raises:
        WeightsError: tensors are missing, left over, of other shapes, or hold what is no number.
    """
    state = {_our_name(key): value for key, value in checkpoint.state.items()}
    classes = _classes(state, checkpoint.source)
    with torch.device("meta"):
        trunk = TRUNKS["vgg16"](ceil_mode=True)
        trunk.preprocessing = PREPROCESSING
        model = Detector(
            trunk,
            taps=("conv4_3", "conv5_3"),
            shapes=published_shapes(MAPS, (300, 300)),
            class_names=coco_names() if classes == COCO_CLASSES else [f"class {one + 1}" for one in range(classes)],
            strides=SSD300_STRIDES,
        )
    load_strictly(model, state, checkpoint.source)
    trunk.weights = checkpoint.source
    return model.eval()


def coco_names() -> tuple[str, ...]:
    """The 90 categories of COCO, by their numbers, from 1; 10 of them were never annotated."""
    return tuple((files("convolens.models.detect") / "coco_categories.txt").read_text("utf-8").splitlines())


def _our_name(key: str) -> str:
    key = _EXTRA.sub(lambda found: f"feature_maps.extra.{int(found[1]) - 1}.", key)
    for theirs, ours in _NAMES.items():
        key = re.sub(f"^{theirs}", ours, key)
    return key


def _classes(state: State, source: str) -> int:
    """How many there are, beside background, by the rows of the last class head, which has 4 boxes a cell."""
    bias = state.get(f"heads.classes.{MAPS - 1}.bias")
    if bias is None or len(bias) % 4 or len(bias) < 8:
        raise WeightsError(f"{source}: need an SSD300 of torchvision's with six class heads, got another network")
    return len(bias) // 4 - 1
