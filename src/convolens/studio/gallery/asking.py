"""Jobs whose results are read into the tables: the doctor, wrong labels, predictions, measures of a model.

Each is a command of the package's own; what it writes lies in a folder of the studio's and is taken once it is done.
"""

from __future__ import annotations

import csv
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convolens.errors import ArgumentError, ConvolensError
from convolens.media.files import make_folder
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery, gallery
from convolens.studio.gallery.results import model_number, take_findings, take_predictions, take_suspects
from convolens.studio.jobs.job import Job
from convolens.studio.jobs.progress import Progress, progress_of
from convolens.studio.jobs.queue import Queue

Asked = Literal["doctor", "labels", "predict", "evaluate", "faithful"]
FOUND = "found.csv"
PREDICTIONS = "predictions.jsonl"
MEASURED, MEASURED_PAGE = "measured.csv", "measured.html"
DRAWN = 10  # pictures that faithfulness is measured on, unless another number is asked for


@dataclass(frozen=True)
class Question:
    """What is asked of data: `arguments` is the command line after `convolens`, `folder` where its results are."""

    kind: Asked
    title: str
    arguments: list[str]
    folder: Path
    model: int | None = None
    split: str = ""


def doctor(data: Gallery, home: Path) -> Question:
    """What would spoil a training: every picture opened, copies, boxes that cannot be."""
    folder = _folder(home)
    return Question("doctor", f"Doctor: {data.name}", ["doctor", data.path, "--table", str(folder / FOUND)], folder)


def labels(data: Gallery, home: Path, at_least: float = 0.5, *, model: Path | None = None) -> Question:
    """Which labels are likely wrong; of data with boxes which of these, by what a detector finds.

    Raises:
        ArgumentError: data with any number of labels for a picture, or boxes and no model.
    """
    if data.kind not in ("label", "boxes"):
        raise ArgumentError(f"{data.path}: need one label for each picture to look for wrong ones, got {data.kind}")
    if data.kind == "boxes" and model is None:
        raise ArgumentError(f"{data.path}: need a detector to look for wrong boxes, got none")
    folder = _folder(home)
    arguments = ["doctor", data.path, "--labels", "--table", str(folder / FOUND), "--at-least", f"{at_least:g}"]
    arguments += ["--model", str(model)] if data.kind == "boxes" else []
    return Question("labels", f"Wrong labels: {data.name}", arguments, folder)


def predict(database: Database, data: Gallery, home: Path, model: Path) -> Question:
    """What a model says of every picture."""
    folder = _folder(home)
    where = _folders_of(database, data)
    arguments = ["predict", str(model), *where, "--out", str(folder), "--no-pictures"]
    title = f"Predictions: {_called(model)} on {data.name}"
    return Question("predict", title, arguments, folder, model_number(database, data, model))


def evaluate(database: Database, data: Gallery, home: Path, model: Path, split: str = "") -> Question:
    """How good a model is, in the field's numbers."""
    folder = _folder(home)
    arguments = ["evaluate", str(model), data.path, "--table", str(folder / MEASURED)]
    arguments += ["--html", str(folder / MEASURED_PAGE), *(["--split", split] if split else [])]
    title = f"Measure: {_called(model)} on {data.name}"
    return Question("evaluate", title, arguments, folder, model_number(database, data, model), split)


def faithful(
    database: Database, data: Gallery, home: Path, model: Path, methods: Sequence[str], count: int = DRAWN
) -> Question:
    """How far each of some ways to explain the model can be trusted."""
    arguments = ["explain", str(model), data.path, "--measure", "--count", str(count), "--json"]
    arguments += [word for method in methods for word in ("--method", method)]
    title = f"Faithfulness: {_called(model)} on {data.name}"
    return Question("faithful", title, arguments, _folder(home), model_number(database, data, model))


def ask(database: Database, queue: Queue, data: Gallery, question: Question) -> int:
    """Puts the question into the queue; the number of its job."""
    folder = queue.project.name_of(question.folder)
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO gallery_job (folder, data, kind, model, split) VALUES (?, ?, ?, ?, ?)",
            (folder, data.id, question.kind, question.model, question.split),
        )
    arguments = question.arguments
    return queue.add(question.kind, question.title, arguments, again=arguments, folder=question.folder)


def take(database: Database, queue: Queue, job: Job) -> str:
    """Reads what a job that is done has found into the tables. A job of another kind is left alone.

    Returns:
        Why that cannot be, in a sentence; empty where it is so.
    """
    with database.reading() as connection:
        row = connection.execute("SELECT * FROM gallery_job WHERE folder = ? AND taken = 0", (job.folder,)).fetchone()
    if row is None:
        return ""
    problem = ""
    try:
        _take(database, queue, gallery(database, row["data"]), row, job)
    except (ConvolensError, OSError, ValueError, LookupError) as error:
        problem = f"what it found cannot be read: {error}"
    with database.writing() as connection:
        connection.execute("UPDATE gallery_job SET taken = ? WHERE folder = ?", (2 if problem else 1, job.folder))
    return problem


def data_of(database: Database, job: Job) -> tuple[int, str, int | None] | None:
    """The number of the data that a job is about, its kind, and the number of the model; None for other jobs."""
    with database.reading() as connection:
        row = connection.execute("SELECT data, kind, model FROM gallery_job WHERE folder = ?", (job.folder,)).fetchone()
    return None if row is None else (row["data"], row["kind"], row["model"])


def under_way(database: Database, queue: Queue, data: int) -> list[tuple[int, str, Progress]]:
    """The jobs about data that are not over, or whose results are not taken yet: numbers, titles, how far they are."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT job.id, job.title FROM gallery_job JOIN job ON job.folder = gallery_job.folder WHERE data = ? AND ("
            "job.state IN ('waiting', 'running', 'stopping') OR (job.state = 'done' AND taken = 0)) ORDER BY job.id",
            (data,),
        ).fetchall()
    return [(row[0], row[1], progress_of(queue.said(row[0]), None)) for row in rows]


def _take(database: Database, queue: Queue, data: Gallery, row: Any, job: Job) -> None:
    folder = queue.project.folder / row["folder"]
    if row["kind"] == "doctor":
        take_findings(database, data, folder / FOUND)
    elif row["kind"] == "labels":
        take_suspects(database, data, folder / FOUND)
    elif row["kind"] == "predict":
        take_predictions(database, data, row["model"], folder / PREDICTIONS)
    elif row["kind"] == "evaluate":
        with (folder / MEASURED).open(encoding="utf-8", newline="") as file:
            numbers = list(csv.DictReader(file))
        _keep(database, row, numbers, str(folder / MEASURED_PAGE))
    else:
        said = f"\n{queue.said(job.id)}\n"  # notes before it and the next step behind it are on the error stream
        _keep(database, row, json.JSONDecoder().raw_decode(said, said.index("\n{\n") + 1)[0])


def _keep(database: Database, row: Any, numbers: Any, page: str = "") -> None:
    with database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO measure (data, model, kind, split, numbers, page) VALUES (?, ?, ?, ?, ?, ?)",
            (row["data"], row["model"], row["kind"], row["split"], json.dumps(numbers), page),
        )


def _folder(home: Path) -> Path:
    return make_folder(home / "found" / secrets.token_hex(6))


def _called(model: Path) -> str:
    return model.stem if model.is_file() else model.name


def _folders_of(database: Database, data: Gallery) -> list[str]:
    """Where the pictures are: one folder if all are in the data's, the smallest that has them; else each of theirs."""
    root = Path(data.path)
    root = root if root.is_dir() else root.parent
    with database.reading() as connection:
        paths = [row[0] for row in connection.execute("SELECT path FROM pictures WHERE data = ?", (data.id,))]
    folders = sorted({str(Path(path).parent) for path in paths})
    if all(path.startswith(f"{root}/") for path in paths):
        return [os.path.commonpath(folders)] if folders else [str(root)]
    return folders
