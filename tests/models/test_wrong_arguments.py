"""What is no path, name, number or shape is refused by its argument's name."""

import numpy as np
import pytest

import convolens as cl
from convolens.errors import ArgumentError, DeviceError, FileError

SMALL = {"trunk": "resnet18", "classes": 2, "device": "cpu"}
WRONG = {
    "load a number": (lambda: cl.load(3), ArgumentError, "path: need where a model is, got 3"),
    "load nothing": (lambda: cl.load(None), ArgumentError, "path: need where a model is, got None"),
    "load a zero byte": (lambda: cl.load("a\0b.safetensors"), FileError, "need a model, found nothing there"),
    "load an over-long path": (lambda: cl.load("a" * 5000), FileError, "need a model, "),
    "a trunk that is a list": (lambda: cl.trunk([]), ArgumentError, r"trunk: need one of .*, got \[\]"),
    "a trunk that is an array": (lambda: cl.trunk(np.zeros(2)), ArgumentError, "trunk: need one of"),
    "weights that are a number": (
        lambda: cl.trunk("vgg16", weights=3),
        ArgumentError,
        "weights: need a name or the path",
    ),
    "a seed that is text": (lambda: cl.trunk("resnet18", seed="a"), ArgumentError, "seed: need a whole number"),
    "a device that is a number": (lambda: cl.trunk("resnet18", device=5), DeviceError, "device: need auto, cpu"),
    "epsilon NaN": (lambda: cl.trunk("resnet18", norm_epsilon=np.nan), ArgumentError, "norm_epsilon: need a number"),
    "a kernel that is a number": (lambda: cl.kernel(5), ArgumentError, "kernel: need one of"),
    "a kernel that is an array": (lambda: cl.kernel(np.zeros(0)), ArgumentError, "kernel: need one of"),
    "no classes": (lambda: cl.localizer("resnet18", classes=None), ArgumentError, "classes: need names or a number"),
    "half a class": (lambda: cl.classifier("resnet18", classes=2.5), ArgumentError, "classes: need names or a number"),
    "numbers for names": (
        lambda: cl.classifier("resnet18", classes=[1, 2]),
        ArgumentError,
        "classes: need names as text",
    ),
    "countless classes": (lambda: cl.classifier("resnet18", classes=10**12), ArgumentError, "classes: need at most"),
    "taps that are a number": (
        lambda: cl.classifier(**SMALL, taps=3),
        ArgumentError,
        "taps: need names of taps, got 3",
    ),
    "a head that is an array": (lambda: cl.classifier(**SMALL, head=np.zeros(2)), ArgumentError, "head: need one of"),
    "multi-label as text": (lambda: cl.classifier(**SMALL, multi_label="no"), ArgumentError, "multi_label: need True"),
    "hidden as a float": (lambda: cl.localizer(**SMALL, hidden=1.5), ArgumentError, "hidden: need 1 to"),
    "strides as a number": (
        lambda: cl.detector(**SMALL, strides=3),
        ArgumentError,
        "strides: need a number for each map",
    ),
    "boxes as text": (lambda: cl.detector(**SMALL, boxes="a"), ArgumentError, "shapes: need pairs of width and height"),
    "a huge size": (
        lambda: cl.detector(**SMALL, size=10**40),
        ArgumentError,
        "size: need one side or height and width",
    ),
    "a size that is a float": (lambda: cl.detector(**SMALL, size=1.5), ArgumentError, "size: need one side"),
    "no width": (lambda: cl.detector(**SMALL, width=None), ArgumentError, "width: need a number above 0"),
    "weights that are a list": (lambda: cl.detector(**SMALL, weights=[]), ArgumentError, "weights: need a name"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_refused_by_its_name(case):
    call, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        call()
