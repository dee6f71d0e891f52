"""Where in a large picture a class is: a classifier scores every window, and the map is drawn over the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num, UInt8
from numpy.typing import NDArray
from torch import nn

from convolens.arrays import as_whole
from convolens.errors import need_one_of
from convolens.features.convolutionalize import Scanner, convolutionalize
from convolens.media.draw import overlay


def scan(
    model: nn.Module,
    image: Num[np.ndarray, "height width *channels"],
    class_name: str,
    *,
    window: int,
    stride: int | None = None,
) -> Float[np.ndarray, "rows columns"]:
    """How likely the class is in every window of the picture, by one pass of the network.

    Args:
        model: a classifier with its head on one tap.
        image: at least as large as a window.
        class_name: one of the model's.
        window: side of a window in pixels.
        stride: pixels between windows, a divisor of the network's own; None: its own.

    Raises:
        ArgumentError: no such class, a stride that does not divide, or a model that cannot be scanned.
        ShapeError: the picture is smaller than a window.
    """
    _check_window(window)
    scanner = convolutionalize(model, window)
    need_one_of("class", class_name, scanner.class_names)
    with torch.inference_mode():
        likely = scanner(scanner.preprocess(image), stride=stride).softmax(dim=1)
    found: NDArray[Any] = likely[0, scanner.class_names.index(class_name)].cpu().numpy()
    return found


def draw_scan(
    image: Num[np.ndarray, "height width *channels"],
    likely: Float[np.ndarray, "rows columns"],
    *,
    window: int,
    stride: int,
) -> UInt8[np.ndarray, "height width 3"]:
    """The map over the picture, every cell's value at the centre of its window, linear in between."""
    heat = likely
    for axis, side in enumerate(image.shape[:2]):
        heat = _upsampled(heat, axis, side, window, stride)
    return overlay(image, heat.astype(np.float32).clip(0, 1), strength=0.6)


def stride_of(model: nn.Module, window: int) -> int:
    """The network's own stride in pixels, which a finer one must divide."""
    _check_window(window)
    scanner: Scanner = convolutionalize(model, window)
    return scanner.stride


def _check_window(window: int) -> None:
    as_whole(window, "window", 1)


def _upsampled(heat: NDArray[Any], axis: int, side: int, window: int, stride: int) -> NDArray[Any]:
    """The cells' values at every pixel along one axis; the outermost are repeated to the picture's edge."""
    at = ((np.arange(side) - (window - 1) / 2) / stride).clip(0, heat.shape[axis] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, heat.shape[axis] - 1)
    weight = np.expand_dims(at - low, 1 - axis)
    upsampled: NDArray[Any] = heat.take(low, axis) * (1 - weight) + heat.take(high, axis) * weight
    return upsampled
