"""What was measured, as a value: plain numbers that say themselves in words, a plot, a notebook, a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from jaxtyping import UInt8
from numpy import ndarray

from convolens.data import Skipped
from convolens.errors import ArgumentError, DataError, FormatError, printable
from convolens.evaluation.plots import bars, plotted
from convolens.media.files import AnyPath, as_path, write_json, writing
from convolens.media.picture_files import is_picture
from convolens.media.showing import Drawn, as_png, in_html, new_axes, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Kind = TypeVar("Kind", bound="Evaluation")


class Metric(NamedTuple):
    """One of the numbers, for people: what it is called in a line, and what it says; as a percentage where it counts.

    >>> Metric("top1", "top-1", "of pictures have their class named first", percent=True).shown(0.5)
    '50.0%'
    """

    name: str
    short: str
    meaning: str
    percent: bool = False

    def shown(self, value: float | None) -> str:
        """The value; `none` where there was nothing to measure it on."""
        if value is None:
            return "none"
        return f"{value:.1%}" if self.percent else f"{value:.3f}"


class Evaluation(dict[str, Any], Drawn):
    """The numbers that `convolens.evaluate` gives, under the field's names; a class for each task.

    Args:
        numbers: as the task's module gives them.
        make_page: makes the page about them; None where only the numbers are known, as of a training's run.

    Attributes:
        metrics: those that a line names, in order.
        columns: those of each class that a table has.
        counted: what `count` counts in `per_class`.
        measured_on: what `count` counts of all.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    columns: ClassVar[tuple[str, ...]] = ()
    counted: ClassVar[str] = "pictures"
    measured_on: ClassVar[str] = "pictures"

    def __init__(self, numbers: Mapping[str, Any], make_page: Callable[[], str] | None = None) -> None:
        super().__init__(numbers)
        self.make_page = make_page

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)  # the numbers alone: a page needs the model, which may be on another machine

    def having(self: Kind, **numbers: Any) -> Kind:
        """The same with more numbers."""
        return type(self)({**self, **numbers}, self.make_page)

    def summary(self) -> str:
        """The numbers that matter most, in a line."""
        known = (
            f"{one.short} {one.shown(self[one.name])}{self._spread(one)}"
            for one in self.metrics
            if one.name in self and self._says_something(one)
        )
        return f"{self.counts()}: {', '.join(known)}"

    def _says_something(self, one: Metric) -> bool:
        """Whether a line names it: not the class among the first five where there are no more."""
        return one.name != "top5" or len(self.get("per_class", ())) > 5

    def _spread(self, one: Metric) -> str:
        """How far folds differ, their standard deviation, where it was measured by folds."""
        spread = self.get(f"{one.name}_spread")
        return "" if spread is None else f" ± {one.shown(spread)}"

    def counts(self) -> str:
        """How much it was measured on."""
        return f"{self['count']:,} {self.measured_on}" + (f", {self['objects']:,} objects" if "objects" in self else "")

    def table(self) -> list[tuple[str, ...]]:
        """A row for each class under a row of names; nothing where classes have no numbers of their own."""
        rows: Mapping[str, Mapping[str, Any]] = self.get("per_class", {})
        numbers = [
            (name, *(Metric(column, "", "").shown(one.get(column)) for column in self.columns), f"{one['count']:,}")
            for name, one in rows.items()
        ]
        return [("class", *self.columns, self.counted), *numbers] if rows else []

    def draw(self, axes: Axes) -> None:
        """Draws what says most: unless the task knows better, the average precision of each class."""
        bars(axes, {name: one["ap"] for name, one in self["per_class"].items()}, "average precision")

    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """The plot as a picture."""
        return plotted(self.draw)

    def plot(self, axes: Axes | None = None) -> Axes:
        """What says most about such a model, drawn by matplotlib under the summary. As `Drawn.plot`."""
        axes = axes or new_axes()
        self.draw(axes)
        return titled(axes, self.summary())

    def page(self) -> str:
        """The page about them, as HTML.

        Raises:
            ArgumentError: only the numbers are known.
        """
        if self.make_page is None:
            raise ArgumentError("page: need what evaluate returned in this process, got its numbers alone; save .json")
        return self.make_page()

    def save(self, path: AnyPath) -> Path:
        """Writes the page, the numbers or the plot, as the name ends: in `.html`, in `.json` or as a picture's.

        Raises:
            FormatError: another name.
            FileError: it cannot be written.
            ArgumentError: as in `page`.
        """
        target = as_path(path, "where to write")
        if target.suffix == ".json":
            write_json(target, self)
        elif target.suffix == ".html":
            self.write_page(target)
        elif is_picture(target.name):
            super().save(target)
        else:
            got = target.suffix or "no suffix"
            raise FormatError(f"{target}: need a name that ends in .html, .json or as a picture's, got {got}")
        return target

    def write_page(self, path: AnyPath) -> None:
        """Writes the page, whatever it is called. Errors as in `save`."""
        page = self.page()
        with writing(path) as draft:
            draft.write_text(page, encoding="utf-8")

    def __str__(self) -> str:
        return "\n".join([self.summary(), *in_columns(self.table())])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_html_(self) -> str:
        table = "\n".join(in_columns(self.table()))
        return f"{in_html(as_png(self.drawn()), self.summary())}<pre>{escape(table)}</pre>"


def need_usable(found: Sized, skipped: Sequence[Skipped], source: object) -> None:
    """Raises a `DataError` that says why, where nothing was found."""
    if not len(found):
        reason = f"; {skipped[0].reason}" if skipped else ""
        raise DataError(f"{source}: need examples that can be used, got none{reason}")


def in_columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of equal length: the first cell to the left, the others to the right.

    >>> in_columns([("class", "ap"), ("cat", "0.500")])
    ['class     ap', 'cat    0.500']
    """
    rows = [tuple(map(printable, cells)) for cells in rows]  # a name may hold anything
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True)) if rows else (0,)
    return [
        "  ".join([f"{name:<{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))])
        for name, *cells in rows
    ]
