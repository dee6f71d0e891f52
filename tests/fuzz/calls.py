"""Calls of the Python API with arguments that no one should give: each is a result or a typed error."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import convolens as cl
from tests.fuzz.mutators import VALUES

ODD: tuple[Any, ...] = (
    *VALUES,
    *(np.nan, np.float32(2), np.int64(3), np.zeros((2, 2)), np.zeros(0), np.array("a"), object(), len, b"a", 2 + 1j),
    *("a\0b", "n" * 5000, "/" * 5000, "/dev/zero", "/", "imagenet", "hed", "layer1.0", "cpu", "cuda:99", "meta", {"a"}),
)
SMALL = {"trunk": "resnet18", "classes": 2, "device": "cpu"}
# Every function with arguments that are right.
CALLS: dict[str, dict[str, Any]] = {
    "trunk": {
        "name": "resnet18",
        "weights": None,
        "seed": 0,
        "device": "cpu",
        "channels": 3,
        "pooling": "max",
        "ceil_mode": False,
        "padding_mode": "edge",
        "stride_in": "conv1",
        "bias": True,
        "norm_epsilon": 1e-5,
        "stem": "small",
        "width": 1 / 16,
    },
    "load": {"path": "model.safetensors", "device": "cpu"},
    "kernel": {"name": "gaussian", "size": 2},
    "classifier": {**SMALL, "weights": None, "taps": None, "head": "gap", "seed": 0, "multi_label": False},
    "localizer": {**SMALL, "weights": None, "taps": None, "hidden": 8, "seed": 0},
    "detector": {
        **SMALL,
        "weights": None,
        "taps": None,
        "seed": 0,
        "size": 128,
        "boxes": None,
        "strides": None,
        "objectness": "softmax",
        "width": 0.25,
    },
}


def call(luck: random.Random) -> str:
    """Calls a function with one or two arguments that are odd.

    Returns:
        The call, in words.
    """
    name = luck.choice(list(CALLS))
    arguments = dict(CALLS[name])
    for _ in range(luck.choice((1, 1, 2))):
        arguments[luck.choice(list(arguments))] = luck.choice(ODD)
    shown = f"cl.{name}({', '.join(f'{key}={value!r:.60}' for key, value in arguments.items())})"
    try:
        getattr(cl, name)(**arguments)
    except Exception as error:
        error.add_note(shown)
        raise
    return shown
