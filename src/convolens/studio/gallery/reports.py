"""What the rows say of a model, each number with the view of the pictures that it counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.data.dataset import SPLIT_NAMES
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery
from convolens.studio.gallery.view import NOTHING, View

BINS = 15  # ranges of confidence; as `convolens.evaluation.metrics` has them
MOST_CLASSES = 40  # of a matrix that is shown whole
MOST_PAIRS = 30  # of classes that are named where it is not


@dataclass(frozen=True, slots=True)
class Cell:
    """How many pictures of a class were predicted as another, and the view that has them."""

    actual: str
    predicted: str
    count: int
    view: View

    @property
    def is_right(self) -> bool:
        """Whether the two are one class."""
        return self.actual == self.predicted


@dataclass(frozen=True, slots=True)
class Range:
    """A range of confidence: from, to, how many pictures, how many of them right, and their mean confidence."""

    above: float
    below: float
    count: int
    right: int
    confidence: float
    view: View

    @property
    def accuracy(self) -> float:
        """The fraction that is right."""
        return self.right / self.count if self.count else 0.0


def splits_of(database: Database, data: Gallery) -> tuple[str, ...]:
    """The splits that the data itself is cut into."""
    with database.reading() as connection:
        some = "SELECT 1 FROM pictures WHERE data = ? AND split = ? LIMIT 1"
        return tuple(name for name in SPLIT_NAMES if connection.execute(some, (data.id, name)).fetchone())


def measured_split(splits: Sequence[str]) -> str:
    """The split that is measured on unless another is asked for: as `evaluate` chooses."""
    return next((name for name in ("test", "validation") if name in splits), "")


def confusion(database: Database, data: Gallery, model: int, split: str = "") -> list[Cell]:
    """Which class was predicted as which, for data with one label for each picture; pairs that occur alone."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT labels, label, count(*) FROM pictures JOIN predictions ON picture = pictures.id AND model = ? "
            "WHERE data = ? AND (? = '' OR split = ?) GROUP BY 1, 2",
            (model, data.id, split, split),
        ).fetchall()
    cells = []
    for labels, predicted, count in rows:
        actual = ", ".join(data.classes[label] for label in json.loads(labels))
        view = View(data.id, label=actual or NOTHING, split=split, model=model, predicted=predicted or NOTHING)
        cells.append(Cell(actual, predicted, count, view))
    return sorted(cells, key=lambda one: (one.is_right, -one.count))


def matrix(data: Gallery, cells: Sequence[Cell]) -> list[tuple[str, list[Cell | None]]]:
    """The cells as rows of a matrix: a class, and a cell for each class that it may have been predicted as."""
    known = {(one.actual, one.predicted): one for one in cells}
    return [(actual, [known.get((actual, predicted)) for predicted in data.classes]) for actual in data.classes]


def reliability(database: Database, data: Gallery, model: int, split: str = "") -> list[Range]:
    """How often the model is right at each confidence; ranges in which pictures are, and whose truth is known."""
    with database.reading() as connection:
        rows = connection.execute(
            f"SELECT min(CAST(score * {BINS} AS INTEGER), {BINS - 1}), count(*), sum(mistake < 0), avg(score) "
            "FROM pictures JOIN predictions ON picture = pictures.id AND model = ? "
            "WHERE data = ? AND (? = '' OR split = ?) AND mistake > -2 GROUP BY 1 ORDER BY 1",
            (model, data.id, split, split),
        ).fetchall()
    found = []
    for at, count, right, confidence in rows:
        above, below = at / BINS, (at + 1) / BINS
        view = View(data.id, split=split, model=model, above=above, below=below, order="mistake")
        found.append(Range(above, below, count, right, confidence, view))
    return found


def measured(database: Database, data: Gallery, model: int, kind: str, split: str = "") -> tuple[Any, Path | None]:
    """What a job measured, as it wrote it, and its page; None where nothing was measured."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT numbers, page FROM measure WHERE data = ? AND model = ? AND kind = ? AND split = ?",
            (data.id, model, kind, split),
        ).fetchone()
    return (None, None) if row is None else (json.loads(row[0]), Path(row[1]) if row[1] else None)
