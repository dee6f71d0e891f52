"""The same small set of boxes, written in every format that holds boxes."""

import csv
import json
from pathlib import Path

import numpy as np

from convolens.media.images import write_image

SIZE = (40, 30)  # width, height
NAMES = ("cat", "dog")
# Every box has even numbers, so that centres and VOC's pixels are whole.
BOXES = {
    "a.png": [("cat", (2, 4, 12, 20))],
    "b.png": [("dog", (10, 10, 30, 28)), ("cat", (4, 2, 8, 8))],
    "empty.png": [],
}


def write_pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(BOXES):
        write_image(folder / name, np.full((SIZE[1], SIZE[0], 3), 40 * number, np.uint8))


def write_csv(folder: Path) -> Path:
    write_pictures(folder)
    with (folder / "boxes.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "label", "x1", "y1", "x2", "y2"])
        for name, boxes in BOXES.items():
            for label, box in boxes:
                rows.writerow([name, label, *box])
            if not boxes:
                rows.writerow([name, "", "", "", "", ""])
    return folder


def write_sized_csv(folder: Path) -> Path:
    write_pictures(folder)
    lines = ["image;class;x;y;w;h"]
    for name, boxes in BOXES.items():
        lines += [f"{name};{label};{x1};{y1};{x2 - x1};{y2 - y1}" for label, (x1, y1, x2, y2) in boxes]
        lines += [f"{name};;;;;"] * (not boxes)
    (folder / "boxes.csv").write_text("\n".join(lines))
    return folder / "boxes.csv"


def coco() -> dict:
    images = [{"id": 10 + n, "file_name": name, "width": 40, "height": 30} for n, name in enumerate(BOXES)]
    annotations = [
        {"id": n, "image_id": 10 + at, "category_id": {"cat": 3, "dog": 7}[label], "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for at, boxes in enumerate(BOXES.values())
        for n, (label, (x1, y1, x2, y2)) in enumerate(boxes)
    ]
    categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(folder: Path) -> Path:
    write_pictures(folder / "images")
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "instances.json").write_text(json.dumps(coco()))
    return folder


def write_voc(folder: Path) -> Path:
    write_pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir(exist_ok=True)
    for name, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for label, (x1, y1, x2, y2) in boxes
        )
        size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
        text = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        (folder / "Annotations" / name).with_suffix(".xml").write_text(text)
    return folder


def write_yolo(folder: Path) -> Path:
    write_pictures(folder / "images")
    (folder / "labels").mkdir(exist_ok=True)
    for name, boxes in BOXES.items():
        lines = [
            f"{NAMES.index(label)} {(x1 + x2) / 80} {(y1 + y2) / 60} {(x2 - x1) / 40} {(y2 - y1) / 30}"
            for label, (x1, y1, x2, y2) in boxes
        ]
        (folder / "labels" / name).with_suffix(".txt").write_text("".join(line + "\n" for line in lines))
    (folder / "data.yaml").write_text("path: .\ntrain: images  # all of them\nnc: 2\nnames:\n  0: cat\n  1: 'dog'\n")
    return folder


WRITERS = {
    "csv": write_csv,
    "csv with sizes": write_sized_csv,
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
}
