"""Receptive fields by exact integer arithmetic: which input pixels can move one feature.

A layer looks through a window. Seen from the input, windows compose: after a window of kernel K (dilated by D), stride
S and padding P, on a map whose neighbouring features lie `stride` pixels apart,

    size   ← size + (K - 1)·D·stride      offset ← offset - P·stride      stride ← stride·S

No floats, no centre that lies between two pixels: a field is the half-open box of pixels that feature (0, 0) sees.

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
    """What a layer looks through, the same in both directions."""

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
        room = size + 2 * self.padding - (self.kernel - 1) * self.dilation - 1
        if room < 0 and not self.ceil_mode:
            return 0
        count = -(-room // self.stride) if self.ceil_mode else room // self.stride
        # As in torch: a last window that would start in the padding behind the last sample is dropped.
        if self.ceil_mode and count * self.stride >= size + self.padding:
            count -= 1
        return count + 1

    def span(self, first: int, last: int, size: int) -> tuple[int, int]:
        """The input positions, first and last, that outputs `first` to `last` see of an axis of `size`."""
        start = first * self.stride - self.padding
        stop = last * self.stride - self.padding + (self.kernel - 1) * self.dilation
        return max(start, 0), min(stop, size - 1)


class ReceptiveField(NamedTuple):
    """What feature (row, column) sees: `size` pixels from `offset + row·stride` on, and the same across."""

    size: int = 1
    stride: int = 1
    offset: int = 0

    def through(self, windows: Iterable[Window]) -> ReceptiveField:
        """The field of a feature that looks at features of this field through the windows, one after another.

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


class TapSees(NamedTuple):
    """A row of the table of receptive fields: what a feature of a tap sees, in input pixels."""

    tap: str
    channels: int
    stride: int
    size: int
    offset: int


@dataclass(frozen=True)
class ReceptiveFields:
    """What every tap of a trunk sees: a table that prints as text and that a notebook shows as one.

    Attributes:
        rows: a row for each tap, from the input on.
    """

    rows: tuple[TapSees, ...]

    def __str__(self) -> str:
        lines = [_columns(TapSees._fields), *map(_columns, self.rows)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head = "".join(f"<th>{name}</th>" for name in TapSees._fields)
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
    """How many features lie along an axis of `size` pixels after the windows, one after another."""
    for window in windows:
        size = window.output_size(size)
        if size < 1:
            return 0
    return size


def seen(windows: tuple[Window, ...], index: int, size: int) -> tuple[int, int]:
    """The half-open range of pixels that feature `index` sees of an axis of `size` pixels.

    Clipped layer by layer, as the network itself does: padding between two layers shows nothing.

    >>> seen((Window(3, padding=1), Window(2, stride=2)), index=0, size=5)
    (0, 3)
    """
    sizes = [size]
    for window in windows:
        sizes.append(window.output_size(sizes[-1]))
    first = last = index
    for window, below in zip(reversed(windows), reversed(sizes[:-1]), strict=True):
        first, last = window.span(first, last, below)
    return first, last + 1


def _one(layer: Any, name: str) -> int:
    value = getattr(layer, name)
    if isinstance(value, int):
        return value
    if len(set(value)) == 1:
        return int(value[0])
    raise ArgumentError(f"receptive field: need a square window, got {name} {tuple(value)} in {layer}")
