"""The folder that a training leaves behind: the best model, how it got there, and what it was asked to do.

best.safetensors   the model                    metrics.csv     a row for each step or epoch
config.json        every setting and the data
Tasks and the training loop add to it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from convolens.errors import FileError
from convolens.media.files import AnyPath, writing
from convolens.tasks import load
from convolens.workflows.data import Skipped

BEST = "best.safetensors"


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

    def load(self, *, device: str = "auto") -> Any:
        """The best model."""
        return load(self.best, device=device)


def make_folder(path: AnyPath) -> Path:
    """The folder, made where it is missing, with those above it.

    Raises:
        FileError: a file stands there, the folder cannot be made, or nothing can be written into it.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: need a folder to write into, cannot make it: {error.strerror}") from error
    try:
        with NamedTemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise FileError(
            f"{folder}: need a folder to write into, got one that takes no files: {error.strerror}"
        ) from error


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
