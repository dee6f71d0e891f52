"""Receptive fields by exact integer arithmetic: which input pixels can move one feature.

A layer computes each feature from a window of its input. Windows compose: after a window of kernel K (dilated by D),
stride S and padding P, on a map whose neighbouring features are `stride` input pixels apart,

    size   ← size + (K - 1)·D·stride      offset ← offset - P·stride      stride ← stride·S

No floats, no centre between two pixels: a field is the half-open box of pixels that can move feature (0, 0).

Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from convolens.errors import ArgumentError

Box = tuple[int, int, int, int]


class Window(NamedTuple):
    """The window that a layer computes a feature from, the same in both directions."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    ceil_mode: bool = False

    def output_size(self, size: int) -> int:
        """How many positions the window takes along an axis; 0 or less where it does not fit.

        >>> Window(2, stride=2).output_size(7), Window(2, stride=2, ceil_mode=True).output_size(7)
        (3, 4)
        """
        span = size + 2 * self.padding - (self.kernel - 1) * self.dilation - 1
        if span < 0 and not self.ceil_mode:
            return 0
        count = -(-span // self.stride) if self.ceil_mode else span // self.stride
        # As in torch: a last window that would start in the padding behind the last sample is dropped.
        if self.ceil_mode and count * self.stride >= size + self.padding:
            count -= 1
        return count + 1

    def span(self, first: int, last: int, size: int) -> tuple[int, int]:
        """The input positions, first and last, that outputs `first` to `last` depend on, along an axis of `size`."""
        start = first * self.stride - self.padding
        stop = last * self.stride - self.padding + (self.kernel - 1) * self.dilation
        return max(start, 0), min(stop, size - 1)


class ReceptiveField(NamedTuple):
    """Feature (row, column) depends on `size` pixels from `offset + row·stride`, and the same across."""

    size: int = 1
    stride: int = 1
    offset: int = 0

    def through(self, windows: Iterable[Window]) -> ReceptiveField:
        """The field of a feature computed from features of this field by the windows, one after another.

        >>> ReceptiveField().through([Window(3, padding=1), Window(3, padding=1), Window(2, stride=2)])
        ReceptiveField(size=6, stride=2, offset=-2)
        """
        size, stride, offset = self
        for window in windows:
            size += (window.kernel - 1) * window.dilation * stride
            offset -= window.padding * stride
            stride *= window.stride
        return ReceptiveField(size, stride, offset)

    def box(self, row: int, column: int) -> Box:
        """`(x1, y1, x2, y2)`, half-open, in input pixels; it may reach past the picture.

        >>> ReceptiveField(size=6, stride=2, offset=-2).box(row=0, column=3)
        (4, -2, 10, 4)
        """
        x1, y1 = self.offset + column * self.stride, self.offset + row * self.stride
        return x1, y1, x1 + self.size, y1 + self.size


class TapField(NamedTuple):
    """A row of the table of receptive fields: that of a tap's features, in input pixels."""

    tap: str
    channels: int
    stride: int
    size: int
    offset: int


@dataclass(frozen=True)
class ReceptiveFields:
    """The receptive fields of a trunk's taps: a table that prints as text and that a notebook shows as one.

    Attributes:
        rows: a row for each tap, in the order they are computed.
    """

    rows: tuple[TapField, ...]

    def __str__(self) -> str:
        lines = [_columns(TapField._fields), *map(_columns, self.rows)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head = "".join(f"<th>{name}</th>" for name in TapField._fields)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _columns(cells: Sequence[object]) -> str:
    tap, channels, stride, size, offset = map(str, cells)
    return f"{tap:<12}{channels:>10}{stride:>8}{size:>6}{offset:>8}"


def window_of(layer: Any) -> Window:
    """The window of a convolution or pooling layer, read from torch.nn's attributes.

    Raises:
        ArgumentError: it is not square.
    """
    kernel, stride, padding = (_one(layer, name) for name in ("kernel_size", "stride", "padding"))
    dilation = _one(layer, "dilation") if hasattr(layer, "dilation") else 1  # averages cannot be dilated
    return Window(kernel, stride, padding, dilation, bool(getattr(layer, "ceil_mode", False)))


def map_size(windows: Iterable[Window], size: int) -> int:
    """How many features an axis of `size` pixels has after the windows, one after another."""
    for window in windows:
        size = window.output_size(size)
        if size < 1:
            return 0
    return size


def input_range(windows: tuple[Window, ...], index: int, size: int) -> tuple[int, int]:
    """The half-open range of pixels that can move feature `index`, along an axis of `size` pixels.

    Clipped layer by layer, as the network itself does: padding between two layers shows nothing.

    >>> input_range((Window(3, padding=1), Window(2, stride=2)), index=0, size=5)
    (0, 3)
    """
    sizes = [size]
    for window in windows:
        sizes.append(window.output_size(sizes[-1]))
    first = last = index
    for window, length in zip(reversed(windows), reversed(sizes[:-1]), strict=True):
        first, last = window.span(first, last, length)
    return first, last + 1


def _one(layer: Any, name: str) -> int:
    value = getattr(layer, name)
    if isinstance(value, int):
        return value
    if len(set(value)) == 1:
        return int(value[0])
    raise ArgumentError(f"receptive field: need a square window, got {name} {tuple(value)} in {layer}")
