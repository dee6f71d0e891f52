"""What an evaluation draws, on matplotlib's axes; `plotted` makes a picture of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.typing import NDArray

from convolens.media.draw import figure_pixels, in_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from convolens.evaluation.detections import Curve

BARS = 30  # classes with a bar: the lowest, as they are what is to be looked at
NAMED_CURVES = 12  # of precision against recall, one a class
_NAMED = 60  # classes up to which a confusion matrix has their names and its counts
_COLOR = "#0072b2"


def plotted(draw: Callable[[Axes], object], size: tuple[float, float] = (5.6, 4.2)) -> UInt8[ndarray, "rows columns 3"]:
    """The picture of what `draw` draws; `size` in inches of 110 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    draw(figure.add_subplot())
    return figure_pixels(figure)


def bars(axes: Axes, values: Mapping[str, float | None], label: str) -> None:
    """A bar for each value from 0 to 1, the lowest on top; of more than `BARS`, for these."""
    known = sorted((value, name) for name, value in values.items() if value is not None)
    shown = known[:BARS][::-1]
    axes.barh([in_figures(name) for _, name in shown], [value for value, _ in shown], color=_COLOR, alpha=0.7)
    axes.set(xlim=(0, 1), xlabel=label if len(shown) == len(known) else f"{label}: the {BARS} lowest of {len(known)}")


def confusion(axes: Axes, counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
    """A row for each true class, a column for each predicted one; counts, colored by their fraction of the row."""
    fractions = [[count / max(sum(row), 1) for count in row] for row in counts]
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="actual")
    if len(class_names) > _NAMED:
        return
    labels = list(map(in_figures, class_names))
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    for row, of_class in enumerate(counts):
        for column, count in enumerate(of_class):
            if count:
                color = "white" if fractions[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=color)


def reliability_diagram(axes: Axes, confidence: NDArray[Any], accuracy: NDArray[Any], count: NDArray[Any]) -> None:
    """How often the model is right at each confidence, in bins: `metrics.reliability`'s three."""
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    used = count > 0
    axes.bar(confidence[used], accuracy[used], width=0.05, color=_COLOR, alpha=0.35)
    axes.scatter(confidence[used], accuracy[used], s=8 + 120 * count[used] / count.max(), color=_COLOR)
    axes.set(xlabel="confidence", ylabel="fraction that is right", xlim=(0, 1.02), ylim=(0, 1.02))


def precision_recall(axes: Axes, curves: Sequence[Curve], class_names: Sequence[str]) -> None:
    """Precision against recall of every class that occurs, and the mean of the classes."""
    there = [(name, curve) for name, curve in zip(class_names, curves, strict=True) if curve.count]
    named = len(there) <= NAMED_CURVES
    for name, curve in there:
        label = in_figures(name) if named else None
        axes.step(curve.recall, curve.precision, where="post", linewidth=1, alpha=0.8 if named else 0.2, label=label)
    grid = np.linspace(0, 1, 101)
    best = np.array([_best_precision(curve, grid) for _, curve in there]).reshape(-1, len(grid))
    if len(there) > 1:
        axes.plot(grid, best.mean(axis=0), color="black", linewidth=2, label="mean of the classes")
    axes.set(xlabel="recall: fraction of the objects found", ylabel="precision: fraction that is right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="lower left")


def _best_precision(curve: Curve, recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    best = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
    found: NDArray[np.float64] = best[np.searchsorted(curve.recall, recalls - 1e-12)]
    return found
