"""Label Studio's tasks: which field is the picture, which annotation is meant, and where the picture's file is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from convolens.data.json_file import keys_in, read_json
from convolens.errors import FormatError
from convolens.media.picture_files import is_picture

MEANT = ("annotations", "completions")  # the second is what the first was called until 2021
IN_MIN = ("annotation_id", "annotator", "lead_time")  # what JSON-MIN adds to a task's fields
NAMES = ("image", "img", "picture", "photo", "url", "file")  # of the field with the picture, those that come first
UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of a file that was uploaded


@dataclass(frozen=True)
class Task:
    """One task: its number, its picture's address, its fields, and its regions.

    `regions` is None where nobody has annotated it; `predicted` says that the regions are a model's.
    """

    at: int
    address: str
    data: dict[str, Any]
    regions: list[Any] | None
    predicted: bool = False
    several: int = 1


def looks_right(path: Path) -> bool:
    """Whether it is a list of tasks, by the keys at its ends."""
    keys = keys_in(path, "[", ("data", *MEANT, "predictions", *IN_MIN))
    return ("data" in keys and not keys.isdisjoint((*MEANT, "predictions"))) or "annotation_id" in keys


def tasks_in(path: Path) -> Iterator[Task | str]:
    """The tasks of a file; in the place of one that cannot be read, what is wrong with it.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no list.
    """
    content = read_json(path, "Label Studio's tasks")
    if not isinstance(content, list):
        raise FormatError(f"{path}: need a list of tasks, got a {type(content).__name__}")
    for at, row in enumerate(content):
        try:
            yield _task(at, row)
        except ValueError as error:
            yield f"{path}: task {at}: {error}"


def _task(at: int, row: Any) -> Task:
    if not isinstance(row, dict):
        raise ValueError(f"need an object, got {short(row)}")
    data = row.get("data", row)
    if not isinstance(data, dict):
        raise ValueError(f"need data with the picture's address, got {short(data)}")
    address = _address(data)
    if data is row:
        return Task(at, address, data, list(_regions_of_min(row)))
    done = [one for key in MEANT for one in _listed(row, key) if not one.get("was_cancelled")]
    if done:
        meant = next((one for one in done if one.get("ground_truth")), done[0])
        return Task(at, address, data, _listed(meant, "result"), several=len(done))
    predicted = _listed(row, "predictions")
    regions = _listed(predicted[0], "result") if predicted else None
    return Task(at, address, data, regions, predicted=bool(predicted))


def _listed(row: dict[str, Any], key: str) -> list[Any]:
    found = row.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"need a list of {key}, got {short(found)}")
    return found


def _address(data: dict[str, Any]) -> str:
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    pictures = [key for key, value in texts.items() if is_picture(_path_of(value))]
    named = [key for key in NAMES if key in (pictures or texts)]
    for key in (*named, *pictures):
        return texts[key]
    raise ValueError(f"need a field with the address of a picture, got {', '.join(map(str, data)) or 'none'}")


def _regions_of_min(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """JSON-MIN has a list of values for each control, and of choices their names alone, as regions of an export."""
    for key, value in row.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value:
                kind = next((name for name in one if isinstance(one[name], list) and name.endswith("labels")), "")
                sizes = {side: one.get(side) for side in ("original_width", "original_height")}
                yield {"type": kind or "rectangle", "value": one, **sizes}
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            yield {"type": "choices", "value": value}
        elif isinstance(value, str) and key.lower() in ("choice", "choices", "label", "class", "category"):
            yield {"type": "choices", "value": {"choices": [value]}}


def names_of(address: str) -> tuple[str, ...]:
    """What the picture's file may be called: the end of its address, and without what uploading puts before it."""
    path = _path_of(address)
    folder, _, name = path.rpartition("/")
    plain = UPLOADED.sub("", name)
    return (path,) if plain == name else (path, f"{folder}/{plain}" if folder else plain)


def is_elsewhere(address: str) -> bool:
    """Whether an address is of another machine."""
    return re.match(r"(?!file:)[a-z][a-z0-9+.-]+://", address, re.IGNORECASE) is not None


def _path_of(address: str) -> str:
    """The path in an address: `/data/local-files/?d=a/b.jpg` means `a/b.jpg`; a path alone is itself."""
    try:
        parts = urlsplit(address)
        if "local-files" in parts.path and "d" in (query := parse_qs(parts.query)):
            return query["d"][0]
        return unquote(parts.path) if parts.scheme and parts.netloc else address.partition("?")[0]
    except ValueError:
        return address
