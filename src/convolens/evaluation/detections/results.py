"""Predictions as COCO's results: the JSON that evaluation servers and pycocotools take, with an annotation file's ids.

A result is `{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`; see https://cocodataset.org/#format-results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from convolens.data.coco import parsed
from convolens.data.files import read_text
from convolens.errors import DataError
from convolens.evaluation.detections.coco import coco_results
from convolens.evaluation.detections.found import Found
from convolens.media.files import AnyPath, writing


def write_coco_results(lines: AnyPath, annotations: AnyPath, out: AnyPath) -> int:
    """Writes a detector's predictions as COCO's results, and says how many there are.

    Args:
        lines: a `predictions.jsonl` that `convolens.inference.predict` wrote.
        annotations: the COCO JSON whose pictures they are of, known by the ends of their paths, and whose categories,
            known by name.
        out: the JSON to write.

    Raises:
        FileError: a file cannot be read or written.
        FormatError: the annotations are not COCO's.
        DataError: a picture or a class that the annotations do not know, or predictions without boxes.
    """
    known = parsed(Path(annotations))
    images = {image["file_name"]: image["id"] for image in known["images"]}
    categories = {one["name"]: one["id"] for one in known["categories"]}
    rows = []
    for line in _lines(Path(lines)):
        if "error" in line:
            continue
        names = sorted(set(line["labels"]))
        for name in names:
            if name not in categories:
                raise DataError(f"{annotations}: need a category {name!r}, which the model found, got none")
        found = Found(
            np.array(line["boxes_xyxy"], np.float64).reshape(-1, 4),
            np.array([names.index(label) for label in line["labels"]], np.int64),
            np.array(line["scores"], np.float64),
        )
        rows += coco_results(_image(line["path"], images, annotations), found, [categories[name] for name in names])
    with writing(out) as draft:
        draft.write_text(json.dumps(rows), encoding="utf-8")
    return len(rows)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in read_text(path, "predictions").splitlines():
        line = json.loads(text)
        if "error" not in line and "boxes_xyxy" not in line:
            raise DataError(f"{path}: need predictions with boxes, got a line with {', '.join(line)}")
        yield line


def _image(path: str, images: dict[str, Any], annotations: AnyPath) -> Any:
    """The id of the picture whose name in the annotations is the longest end of the path."""
    parts = Path(path).parts
    ends = ("/".join(parts[at:]) for at in range(len(parts)))
    known = next((end for end in ends if end in images), None)
    if known is None:
        raise DataError(f"{annotations}: need a picture named like {path}, got none")
    return images[known]
