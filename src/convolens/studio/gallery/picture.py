"""A picture of looked-through data, with all that is known of it, from its row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.studio.gallery.view import View


@dataclass(frozen=True, slots=True)
class Object:
    """A box: the name of its class, its corners in pixels of the upright picture, what else is said, and a score."""

    label: str
    xyxy: tuple[float, float, float, float]
    words: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicts: the likeliest label and its score, `label score` of others, and objects."""

    label: str
    score: float
    others: tuple[tuple[str, float], ...]
    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the data, with all that is known of it.

    Attributes:
        id: its number in the database.
        number: its place in the data.
        path: the file.
        name: its path in the data.
        split: or empty.
        labels: names of its classes.
        objects: its boxes.
        size: `(width, height)`; zeros where the file cannot be read or was not looked at yet.
        wrong: the probability that its label is wrong; -1 where that is not known.
        suggested: the class that is likelier, or empty.
        likenesses: numbers of the pictures most like it: of its label and of the suggested class.
        alike: the number of the group of copies that it is in; 0 for none.
        findings: `kind: words`, what the doctor found.
        decision: or empty.
        new_labels: what it is to be relabelled to.
        new_objects: the boxes that were decided on.
        likely_objects: the boxes as they likely are; None where none is likely wrong.
        predictions: of the view's models, in their order; None where a model has none.
    """

    id: int
    number: int
    path: Path
    name: str
    split: str
    labels: tuple[str, ...]
    objects: tuple[Object, ...]
    size: tuple[int, int]
    wrong: float
    suggested: str
    likenesses: tuple[int | None, int | None]
    alike: int
    findings: tuple[str, ...]
    decision: str
    new_labels: tuple[str, ...] | None
    new_objects: tuple[Object, ...] | None
    likely_objects: tuple[Object, ...] | None
    predictions: tuple[Prediction | None, ...]

    @property
    def shown_objects(self) -> tuple[Object, ...]:
        """Its boxes as decided, or as they are."""
        return self.objects if self.new_objects is None else self.new_objects


def findings_of(connection: Any, pictures: list[int]) -> dict[int, list[str]]:
    """What the doctor found, by the numbers of the pictures."""
    found: dict[int, list[str]] = {}
    marks = ",".join("?" * len(pictures))
    for picture, kind, words in connection.execute(
        f"SELECT picture, kind, words FROM findings WHERE picture IN ({marks}) ORDER BY level, kind", pictures
    ):
        found.setdefault(picture, []).append(f"{kind}: {words}" if words else kind)
    return found


def picture_from(row: Any, view: View, classes: tuple[str, ...], findings: dict[int, list[str]]) -> Picture:
    """The picture of a row that `choosing.whole` asks for."""
    names = {-1: ""} | dict(enumerate(classes))
    models = [("one", view.model), ("other", view.beside)]
    return Picture(
        row["id"], row["number"], Path(row["path"]), row["name"], row["split"],
        tuple(names[label] for label in json.loads(row["labels"])), _objects(row["boxes"], names),
        (row["width"], row["height"]), row["wrong"], row["suggested"], (row["like_label"], row["like_suggested"]),
        row["alike"], tuple(findings.get(row["id"], ())), row["decision"],
        None if row["new_labels"] is None else tuple(names[label] for label in json.loads(row["new_labels"])),
        None if row["new_boxes"] is None else _objects(row["new_boxes"], names),
        None if row["likely_boxes"] is None else _objects(row["likely_boxes"], names),
        tuple(_prediction(row, name) for name, number in models if number),
    )  # fmt: skip


def _objects(text: str, names: dict[int, str]) -> tuple[Object, ...]:
    return tuple(Object(names[label], (x1, y1, x2, y2), words) for label, x1, y1, x2, y2, words in json.loads(text))


def _prediction(row: Any, which: str) -> Prediction | None:
    if row[f"{which}_label"] is None:
        return None
    found = json.loads(row[f"{which}_found"])
    objects = tuple(Object(label, tuple(xyxy), "", score) for label, score, xyxy in found["objects"])
    return Prediction(row[f"{which}_label"], row[f"{which}_score"], tuple(map(tuple, found["others"])), objects)
