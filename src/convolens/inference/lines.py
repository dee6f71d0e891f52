"""The lines of `predictions.jsonl`, read again, and as the rows of a table; those of `explanations.jsonl`, written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convolens.data.files import read_text
from convolens.errors import FormatError
from convolens.media.files import writing
from convolens.media.result_folders import EXPLANATIONS


def prediction_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Each line as it was written, errors too.

    Raises:
        FileError: the file cannot be read.
        FormatError: a line is none.
    """
    for at, text in enumerate(read_text(path, "predictions").splitlines(), start=1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: line {at}: need a prediction as JSON, got {error}") from error
        if not isinstance(line, dict) or not isinstance(line.get("path"), str):
            raise FormatError(f"{path}: line {at}: need a prediction with a path, got {text:.60}")
        yield line


def prediction_rows(path: Path) -> list[dict[str, Any]]:
    """A row for each object or class: `path label score`, with boxes `x1 y1 x2 y2`, in pixels; or `path error`.

    Where a classifier says so also how `familiar` the picture is, and whether `unknown`.

    A picture in which nothing was found has a row with its path alone. Errors as of `prediction_lines`.
    """
    return [{"path": line["path"], **row} for line in prediction_lines(path) for row in _rows(line) or [{}]]


def _rows(line: dict[str, Any]) -> list[dict[str, Any]]:
    if "error" in line:
        return [{"error": line["error"]}]
    if "objectness" in line:
        box = line["box_xyxy"]
        return [] if box is None else [_row(line["label"], line["score"], box)]
    if "box_scores" in line:
        parts = zip(line["box_scores"], line["boxes_xyxy"], strict=True)
        return [_row(line["label"], *one) for one in parts] or [_row(line["label"], line["score"], ())]
    boxes = line.get("boxes_xyxy") or [()] * len(line["labels"])
    like: dict[str, Any] = {name: line[name] for name in ("familiar", "unknown") if name in line}
    return [{**_row(*one), **like} for one in zip(line["labels"], line["scores"], boxes, strict=True)]


def _row(label: str, score: float, box: Sequence[float]) -> dict[str, Any]:
    return {"label": label, "score": score, **dict(zip(("x1", "y1", "x2", "y2"), box, strict=False))}


@contextmanager
def explanation_lines(folder: Path | None) -> Iterator[Callable[[dict[str, Any]], object]]:
    """What writes a line of the folder's `explanations.jsonl`; nothing where there is no folder."""
    if folder is None:
        yield lambda line: None
        return
    with writing(folder / EXPLANATIONS) as draft, draft.open("w", encoding="utf-8") as stream:
        yield lambda line: stream.write(json.dumps(line) + "\n")
