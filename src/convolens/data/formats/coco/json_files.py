"""COCO's JSON files: which of a folder's are meant, and what is in one, checked as far as a reader relies on it.

Published folders have several files for the same pictures: outlines and boxes (`instances_*`), captions, key points,
sizes of test pictures without annotations. Boxes are in the first.
"""

from __future__ import annotations

import os
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.files import split_folders, split_in
from convolens.data.json_file import keys_in, read_json
from convolens.errors import FormatError

WITH_BOXES = ("instances", "person_keypoints")  # how names of files begin; the first that there is, is meant
OTHERS = (*WITH_BOXES, "captions", "image_info", "panoptic", "stuff")  # of the same pictures
# What each row of a list must have, and of which type.
_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "images": {"id": (int, str, float), "file_name": str},
    "categories": {"id": (int, str, float), "name": str},
}


def json_files(path: Path) -> list[tuple[Path, str]]:
    """The JSON files that look like COCO's, each with its split."""
    if path.is_file():
        return [(path, "")] if _looks_right(path) else []
    places = [("", path), *split_folders(path)]
    found = [(file, split or split_in(file.stem)) for split, folder in places for file in folder.glob("*.json")]
    found += [(file, split_in(file.stem)) for file in path.glob("annotations/*.json")]
    return sorted((file, split) for file, split in found if not file.name.startswith(".") and _looks_right(file))


def with_objects(files: list[tuple[Path, str]]) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Those that have boxes, by their names, and those passed over: `captions_*` and the like beside any others."""
    meant = next((start for start in WITH_BOXES if any(file.name.startswith(start) for file, _ in files)), None)
    others = [file for file, _ in files if file.name.startswith(OTHERS) and not (meant and file.name.startswith(meant))]
    left = [one for one in files if one[0] not in others]
    return (left, others) if left else (files, [])


def parsed(path: Path, *, annotations: bool = True) -> dict[str, Any]:
    """The JSON with its lists in place, and categories that can be used; images and annotations are checked one by one.

    Args:
        path: the file.
        annotations: whether it needs any; test pictures' files have none.

    Raises:
        FileError: it cannot be read.
        FormatError: it is not such JSON.
    """
    content = read_json(path, "COCO annotations")
    if not isinstance(content, dict):
        raise FormatError(f"{path}: need images, categories and annotations, got a {type(content).__name__}")
    for name in ("images", "categories", "annotations") if annotations else ("images", "categories"):
        rows = content.get(name)
        if not isinstance(rows, list):
            raise FormatError(f"{path}: need a list of {name}, got {_instead(content, name)}")
    for at, row in enumerate(content["categories"]):
        trouble = row_trouble("categories", at, row)
        if trouble:
            raise FormatError(f"{path}: {trouble}")
    return content


def _instead(content: dict[str, Any], name: str) -> str:
    rows = content.get("annotations")
    if name == "categories" and isinstance(rows, list) and rows and isinstance(rows[0], dict) and "caption" in rows[0]:
        return "none: it holds captions, which say nothing of boxes or classes"
    if name == "annotations" and "annotations" not in content:
        return "none: it only lists pictures, as files for `predict --coco` may"
    return "none" if content.get(name) is None else type(content[name]).__name__


def row_trouble(name: str, at: int, row: Any) -> str:
    """What is wrong with a row of `images` or `categories`; empty where nothing is."""
    keys = _KEYS[name]
    right = isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in keys.items())
    if right and plain_id(row["id"]) is not None:
        return ""
    return f"need {', '.join(keys)} in each of its {name}, got number {at}: {short(row):.80}"


def plain_id(value: Any) -> str | None:
    """An id as text, so that 3, 3.0 and "3" are the same, as programs mix them in one file; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value).strip()


def in_order(number: str) -> tuple[int, str]:
    """What ids are sorted by: numbers by their value, then other texts by their letters."""
    return (int(number), "") if number.isascii() and number.isdigit() and len(number) < 20 else (1 << 64, number)


def with_name(row: Any) -> Any:
    """A row of `images` with its `file_name`: LVIS has none, and means the last two parts of `coco_url`."""
    if isinstance(row, dict) and "file_name" not in row and isinstance(row.get("coco_url"), str):
        return {**row, "file_name": "/".join(row["coco_url"].split("/")[-2:])}
    return row


def _looks_right(path: Path) -> bool:
    if path.suffix.lower() == ".json" and path.is_file() and not os.access(path, os.R_OK):
        return True  # reading it says why it cannot be
    found = keys_in(path, "{", ("images", "annotations", "categories", "shapes"))
    return bool(found) and "shapes" not in found  # which are labelme's
