"""The folder that a training leaves behind: the best model, how it got there, and what it was asked to do.

best.safetensors   the model                    metrics.csv     a row for each step
config.json        every setting and the data   confusion.png   which class was taken for which
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from convolens.errors import FileError
from convolens.media.files import AnyPath, writing
from convolens.tasks import load
from convolens.tasks.classify import Classifier
from convolens.workflows.data import Skipped


@dataclass(frozen=True)
class Run:
    """What a training left behind.

    Attributes:
        folder: the run folder.
        best: the model file in it.
        metrics: of the best model on the validation pictures, as `evaluate` gives them.
        skipped: files that could not be used, with the reason for each.
    """

    folder: Path
    best: Path
    metrics: dict[str, Any]
    skipped: tuple[Skipped, ...]

    def load(self, *, device: str = "auto") -> Classifier:
        """The best model."""
        return load(self.best, device=device)


def make_folder(path: AnyPath) -> Path:
    """The folder, made where it is missing, with those above it.

    Raises:
        FileError: a file stands there, or the folder cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: need a folder to write into, cannot make it: {error.strerror}") from error
    return folder


def write_json(path: AnyPath, values: Mapping[str, Any]) -> None:
    """Plain data as indented JSON; paths become text."""
    with writing(path) as draft:
        draft.write_text(json.dumps(values, indent=2, default=str) + "\n", encoding="utf-8")


def write_rows(path: AnyPath, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same names as a CSV file with a head line."""
    with writing(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def draw_confusion(path: AnyPath, confusion: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
    """A PNG of the confusion matrix: a row for each true class, its counts coloured by their share of the row."""
    size = min(max(3.0, 0.55 * len(class_names) + 1.8), 24.0)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
    with writing(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
