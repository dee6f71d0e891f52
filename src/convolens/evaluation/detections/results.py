"""Predictions as COCO's results: the JSON that evaluation servers and pycocotools take, with an annotation file's ids.

A result is `{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`; see https://cocodataset.org/#format-results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convolens.data.files import listed, read_text
from convolens.data.formats.coco.json_files import parsed, row_trouble, with_name
from convolens.errors import DataError, FormatError
from convolens.evaluation.detections.coco import coco_results
from convolens.evaluation.detections.found import Found
from convolens.media.files import AnyPath, writing


@dataclass(frozen=True)
class CocoIds:
    """The ids that COCO's results need: of pictures by their names, of categories by theirs."""

    path: Path
    pictures: dict[str, Any]
    categories: dict[str, Any]


def read_coco_ids(annotations: AnyPath, class_names: Sequence[str]) -> CocoIds:
    """Reads the ids of a COCO JSON, and whether they can serve a model: to be called before its work begins.

    Args:
        annotations: the JSON; one that lists pictures and categories without annotations, such as
            `image_info_test2017.json`, will do.
        class_names: of the model, some of which the file must know.

    Raises:
        FileError: it cannot be read.
        FormatError: it is not COCO's.
        DataError: it has none of the model's classes.
    """
    known = _ids(Path(annotations))
    if not any(name in known.categories for name in class_names):
        names = f"{listed(tuple(class_names))}), got {listed(tuple(known.categories))}"
        raise DataError(f"{known.path}: need categories named like the model's classes ({names}")
    return known


def _ids(path: Path) -> CocoIds:
    content = parsed(path, annotations=False)
    images = [with_name(image) for image in content["images"]]
    for at, image in enumerate(images):
        trouble = row_trouble("images", at, image)
        if trouble:
            raise FormatError(f"{path}: {trouble}")
    categories = {one["name"]: one["id"] for one in content["categories"]}
    return CocoIds(path, {_plain(image["file_name"]): image["id"] for image in images}, categories)


def _plain(name: str) -> str:
    """A picture's name with `/` for Windows' backslashes, and without `./`."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part != ".")


def write_coco_results(lines: AnyPath, annotations: AnyPath | CocoIds, out: AnyPath) -> int:
    """Writes a detector's predictions as COCO's results, and says how many there are.

    Args:
        lines: a `predictions.jsonl` that `convolens.inference.predict` wrote.
        annotations: the COCO JSON whose pictures they are of, known by the ends of their paths, and whose categories,
            known by name; or its ids, where it has been read.
        out: the JSON to write.

    Raises:
        FileError: a file cannot be read or written.
        FormatError: the annotations are not COCO's.
        DataError: a picture or a class that the annotations do not know, or predictions without boxes.
    """
    known = annotations if isinstance(annotations, CocoIds) else _ids(Path(annotations))
    rows = []
    for line in _lines(Path(lines)):
        if "error" in line:
            continue
        names = sorted(set(line["labels"]))
        for name in names:
            if name not in known.categories:
                raise DataError(f"{known.path}: need a category {name!r}, which the model found, got none")
        found = Found(
            np.array(line["boxes_xyxy"], np.float64).reshape(-1, 4),
            np.array([names.index(label) for label in line["labels"]], np.int64),
            np.array(line["scores"], np.float64),
        )
        rows += coco_results(_image(line["path"], known), found, [known.categories[name] for name in names])
    with writing(out) as draft:
        draft.write_text(json.dumps(rows), encoding="utf-8")
    return len(rows)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in read_text(path, "predictions").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: need predictions as JSON, got {error}") from error
        if not isinstance(line, dict):
            raise FormatError(f"{path}: need an object in each line, got a {type(line).__name__}")
        if "error" not in line and "boxes_xyxy" not in line:
            raise DataError(f"{path}: need predictions with boxes, got a line with {', '.join(line)}")
        yield line


def _image(path: str, known: CocoIds) -> Any:
    """The id of the picture whose name in the annotations is the longest end of the path."""
    parts = Path(path).parts
    ends = ("/".join(parts[at:]) for at in range(len(parts)))
    name = next((end for end in ends if end in known.pictures), None)
    if name is None:
        raise DataError(f"{known.path}: need a picture named like {path}, got none")
    return known.pictures[name]
