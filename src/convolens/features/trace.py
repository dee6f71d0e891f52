"""Receptive fields of single features: the strongest ones of a tap, and their boxes on the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Num, UInt8
from torch import Tensor

from convolens.errors import ArgumentError
from convolens.media.draw import draw_boxes
from convolens.trunks import Trunk
from convolens.trunks.receptive import Box


@dataclass(frozen=True)
class Feature:
    """One feature of a map: where it is, how strong, and its receptive field, clipped to the picture."""

    channel: int
    row: int
    column: int
    value: float
    box_xyxy: Box


def strongest_features(
    trunk: Trunk, image: Num[np.ndarray, "height width *channels"], tap: str, count: int
) -> list[Feature]:
    """The strongest features of a tap, strongest first, no two of which have nearly the same receptive field.

    Raises:
        ArgumentError: no such tap, or a count below 0.
    """
    if count < 0:
        raise ArgumentError(f"strongest: need a number of at least 0, got {count}")
    with torch.no_grad():
        batch = trunk.preprocess(image)
        values, channels = trunk(batch, taps=tap)[tap][0].max(dim=0)
    size: tuple[int, int] = (batch.shape[2], batch.shape[3])
    field = trunk.receptive_field(tap)
    spacing = max(1, field.size // (2 * field.stride))  # boxes closer than half their side show the same thing
    found: list[Feature] = []
    while len(found) < count and float(values.max()) > 0:
        row, column = divmod(int(values.argmax()), values.shape[1])
        box = trunk.trace(tap, row, column, clip=size)
        found.append(Feature(int(channels[row, column]), row, column, float(values[row, column]), box))
        _around(values, row, column, spacing).fill_(0)
    return found


def draw_trace(
    image: Num[np.ndarray, "height width *channels"],
    features: Sequence[Feature] = (),
    named: Mapping[str, Box] | None = None,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The picture with boxes: those that have names, and the receptive fields of the strongest features."""
    labeled = [*(named or {}).items(), *((f"channel {one.channel}", one.box_xyxy) for one in features)]
    labels, boxes = [label for label, _ in labeled], np.array([box for _, box in labeled]).reshape(-1, 4)
    return draw_boxes(image, boxes, labels, kinds=[*(named or {}), *("strongest" for _ in features)])


def _around(values: Tensor, row: int, column: int, spacing: int) -> Tensor:
    return values[max(0, row - spacing + 1) : row + spacing, max(0, column - spacing + 1) : column + spacing]
