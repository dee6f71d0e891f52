"""What commands found, read into the database: predictions, the doctor's findings, labels that are likely wrong.

Each takes the file that the command wrote anyway: `predict --out`, `doctor --table`, `doctor --labels --table`. Files
are read line by line; what is of pictures that the data does not have is passed over.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from convolens.data import Box, Example
from convolens.inference.lines import prediction_lines
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery

AT_ONCE = 500  # lines in a transaction; fewer than SQLite takes values in a query
RIGHT, NOT_KNOWN = -1.0, -2.0  # in place of how bad a mistake is: it is none; the truth is not known
FAULT = 1000  # of a fault among findings: it comes before any number of notes
ALIKE = ("copy", "near copy", "contradicting copies")  # kinds of findings that make groups


def model_number(database: Database, data: Gallery, model: Path) -> int:
    """The number under which a model's predictions for this data are kept."""
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO models (path, data) VALUES (?, ?) ON CONFLICT DO NOTHING", (str(model), data.id)
        )
        found = connection.execute("SELECT id FROM models WHERE path = ? AND data = ?", (str(model), data.id))
        return int(found.fetchone()[0])


def models_of(database: Database, data: Gallery) -> dict[int, Path]:
    """The models that have predictions for this data, by their numbers."""
    with database.reading() as connection:
        rows = connection.execute("SELECT id, path FROM models WHERE data = ? ORDER BY id", (data.id,)).fetchall()
    return {number: Path(path) for number, path in rows}


def take_predictions(database: Database, data: Gallery, model: int, lines: Path) -> int:
    """Reads the lines of `predict --out`; how many were of pictures of this data.

    Raises:
        FileError, FormatError: they cannot be read.
    """
    taken = 0
    for batch in _batches(line for line in prediction_lines(lines) if "error" not in line):
        with database.writing() as connection:
            known = _known(connection, data.id, [line["path"] for line in batch])
            rows = [(model, *_predicted(line, known[line["path"]], data)) for line in batch if line["path"] in known]
            connection.executemany("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        taken += len(rows)
    return taken


def take_findings(database: Database, data: Gallery, table: Path) -> int:
    """Reads the table of `doctor --table` in place of what was found before; how many rows were of these pictures."""
    rows = [row for row in _table(table) if row["path"]]
    taken = 0
    with database.writing() as connection:
        every = "SELECT id FROM pictures WHERE data = ?"
        connection.execute(f"DELETE FROM findings WHERE picture IN ({every})", (data.id,))
        connection.execute("UPDATE pictures SET findings = 0, alike = 0 WHERE data = ?", (data.id,))
        pairs = []
        for batch in _batches(rows):
            paths = [row["path"] for row in batch] + [row["other"] for row in batch if row.get("other")]
            numbers = {path: row["id"] for path, row in _known(connection, data.id, paths).items()}
            found = [_finding(row, numbers) for row in batch if row["path"] in numbers]
            connection.executemany("INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)", found)
            pairs += [(picture, other) for picture, _, kind, _, _, other in found if kind in ALIKE and other]
            taken += len(found)
        connection.execute(
            f"UPDATE pictures SET findings = (SELECT sum(iif(level = 'fault', {FAULT}, 1)) FROM findings "
            "WHERE findings.picture = pictures.id) WHERE data = ? AND id IN (SELECT picture FROM findings)",
            (data.id,),
        )
        connection.executemany("UPDATE pictures SET alike = ? WHERE id = ?", _groups(pairs))
    return taken


def take_suspects(database: Database, data: Gallery, table: Path) -> int:
    """Reads the table of `doctor --labels --table` in place of what was found before; how many rows it had."""
    rows = list(_table(table))
    with database.writing() as connection:
        connection.execute(
            "UPDATE pictures SET wrong = -1, suggested = '', like_label = NULL, like_suggested = NULL, "
            "likely_boxes = NULL WHERE data = ?",
            (data.id,),
        )
        if data.kind == "boxes":
            take_boxes(connection, data, rows)
            return len(rows)
        for batch in _batches(rows):
            paths = {row[name] for row in batch for name in ("path", "like_label", "like_suggested")}
            numbers = {path: row["id"] for path, row in _known(connection, data.id, sorted(paths)).items()}
            connection.executemany(
                "UPDATE pictures SET wrong = ?, suggested = ?, like_label = ?, like_suggested = ? WHERE id = ?",
                [(float(row["probability"]), row["suggested"], numbers.get(row["like_label"]),
                  numbers.get(row["like_suggested"]), numbers[row["path"]]) for row in batch if row["path"] in numbers],
            )  # fmt: skip
    return len(rows)


def take_boxes(connection: Any, data: Gallery, rows: Sequence[Mapping[str, str]]) -> None:
    """Notes of each picture how likely one of its boxes is wrong, in words which, and the boxes as they likely are."""
    by_path: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_path.setdefault(row["path"], []).append(row)
    for batch in _batches(by_path):
        for path, known in _known(connection, data.id, batch).items():
            several = by_path[path]
            words = ", ".join(f"{row['kind']} {row['label'] or row['suggested']}" for row in several)
            values = (float(several[0]["probability"]), words, json.dumps(_likely(known["boxes"], several, data)))
            connection.execute(
                "UPDATE pictures SET wrong = ?, suggested = ?, likely_boxes = ? WHERE id = ?", (*values, known["id"])
            )


def _likely(text: str, rows: Sequence[Mapping[str, str]], data: Gallery) -> list[list[Any]]:
    """A picture's boxes, each that is likely wrong replaced by what is suggested."""
    boxes = [list(one) for one in json.loads(text)]
    for row in rows:
        said = _box(row["label"], row["box"], data)
        likely = _box(row["suggested"], row["suggested_box"], data)
        at = next((at for at, one in enumerate(boxes) if said and one[:5] == said[:5]), None if said else len(boxes))
        if at is not None:  # the data is as it was when it was looked through
            boxes[at : at + 1] = [likely] if likely else []
    return boxes


def _box(label: str, corners: str, data: Gallery) -> list[Any]:
    return [data.classes.index(label), *map(float, corners.split()), ""] if label and corners else []


def kinds_of_findings(database: Database, data: Gallery) -> dict[str, int]:
    """Of how many pictures the doctor found each kind, the most frequent first."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT kind, count(DISTINCT picture) FROM findings CROSS JOIN pictures ON pictures.id = picture "
            "WHERE data = ? GROUP BY kind ORDER BY 2 DESC, 1",
            (data.id,),
        ).fetchall()
    return dict(rows)


def _known(connection: Any, data: int, paths: Sequence[str]) -> dict[str, Any]:
    """What the database has of the pictures at some paths."""
    found: dict[str, Any] = {}
    for some in _batches(paths):
        marks = ",".join("?" * len(some))
        query = f"SELECT id, path, labels, boxes FROM pictures WHERE data = ? AND path IN ({marks})"
        found |= {row["path"]: row for row in connection.execute(query, (data, *some))}
    return found


def _predicted(line: Mapping[str, Any], row: Any, data: Gallery) -> tuple[Any, ...]:
    """A row of `predictions` without the model: what was predicted, how unsure, how wrong."""
    if "boxes_xyxy" in line:
        objects = list(zip(line["labels"], line["scores"], line["boxes_xyxy"], strict=True))
    elif "objectness" in line:
        objects = [] if line["box_xyxy"] is None else [(line["label"], line["objectness"], line["box_xyxy"])]
    else:
        return _classified(line, row, data)
    label, score, _ = max(objects, key=lambda one: one[1], default=("", 0.0, None))
    unsure = max((1 - abs(2 * one[1] - 1) for one in objects), default=0.0)
    text = json.dumps({"others": [], "objects": objects})
    return row["id"], label, score, unsure, _mistakes(objects, row, data), text


def _classified(line: Mapping[str, Any], row: Any, data: Gallery) -> tuple[Any, ...]:
    names, scores = line["labels"], line["scores"]
    first, second = (*scores, 0.0, 0.0)[:2]
    truth = {data.classes[label] for label in json.loads(row["labels"])}
    mistake = NOT_KNOWN if not truth else RIGHT if names and names[0] in truth else first
    text = json.dumps({"others": list(zip(names, scores, strict=True)), "objects": []})
    return row["id"], names[0] if names else "", first, 1 - (first - second), mistake, text


def _mistakes(objects: Sequence[tuple[str, float, Sequence[float]]], row: Any, data: Gallery) -> float:
    """How many objects were missed, made up or predicted as others; as `evaluate` counts them."""
    from convolens.evaluation.detections import Found, detection_confusion

    names = (*data.classes, *sorted({label for label, _, _ in objects} - set(data.classes)))
    truth = tuple(Box(label, tuple(xyxy), crowd="crowd" in words, difficult="difficult" in words)
                  for label, *xyxy, words in json.loads(row["boxes"]))  # fmt: skip
    if data.kind != "boxes":
        return NOT_KNOWN
    found = Found(
        np.array([xyxy for _, _, xyxy in objects], np.float64).reshape(-1, 4),
        np.array([names.index(label) for label, _, _ in objects], np.int64),
        np.array([score for _, score, _ in objects], np.float64),
    )
    counts = detection_confusion([Example(Path(), (), truth)], [found], len(names))
    wrong = int(counts.sum() - np.trace(counts))
    return float(wrong) if wrong else RIGHT


def _finding(row: Mapping[str, str], numbers: Mapping[str, int]) -> tuple[Any, ...]:
    corners = [row.get(name) for name in ("x1", "y1", "x2", "y2")]
    box = json.dumps([float(value or 0) for value in corners]) if all(corners) else None
    other = numbers.get(row.get("other") or "")
    return numbers[row["path"]], row["level"], row["kind"], row["text"], box, other


def _groups(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The number of its group, and a picture: those that pairs connect are in one, called by its first."""
    leader: dict[int, int] = {}

    def of(one: int) -> int:
        while (above := leader.setdefault(one, one)) != one:
            leader[one] = leader[above]
            one = above
        return one

    for one, other in pairs:
        a, b = sorted((of(one), of(other)))
        leader[b] = a
    yield from ((of(one), one) for one in leader)


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from csv.DictReader(file)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    waiting = iter(items)
    while some := list(islice(waiting, AT_ONCE)):
        yield some
