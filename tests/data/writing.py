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


def write_labelme(folder: Path) -> Path:
    write_pictures(folder)
    for name, boxes in BOXES.items():
        shapes = [
            {"label": label, "points": [[x2, y1], [x1, y2]], "group_id": None, "shape_type": "rectangle", "flags": {}}
            for label, (x1, y1, x2, y2) in boxes
        ]
        content = {"version": "4.5.6", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": "iVBORw0KGgo="}
        content |= {"imageHeight": 30, "imageWidth": 40}
        (folder / name).with_suffix(".json").write_text(json.dumps(content))
    return folder


def write_cvat(folder: Path) -> Path:
    write_pictures(folder / "images")
    images = ""
    for number, (name, boxes) in enumerate(BOXES.items()):
        shapes = "".join(
            f'<box label="{label}" source="manual" occluded="0" xtl="{x1}.00" ytl="{y1}.00" xbr="{x2}.00" '
            f'ybr="{y2}.00" z_order="0"></box>'
            for label, (x1, y1, x2, y2) in boxes
        )
        images += f'<image id="{number}" name="{name}" width="40" height="30">{shapes}</image>'
    head = '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><job><labels>'
    labels = "".join(f"<label><name>{name}</name><color>#fff</color><type>any</type></label>" for name in NAMES)
    (folder / "annotations.xml").write_text(f"{head}{labels}</labels></job></meta>{images}</annotations>")
    return folder


def _percents(box: tuple[int, ...]) -> dict:
    x1, y1, x2, y2 = box
    return {
        "x": x1 * 2.5, "y": y1 * 10 / 3, "width": (x2 - x1) * 2.5, "height": (y2 - y1) * 10 / 3, "rotation": 0,
    }  # fmt: skip


def write_label_studio(folder: Path) -> Path:
    write_pictures(folder)
    tasks = []
    for number, (name, boxes) in enumerate(BOXES.items()):
        result = [
            {
                "original_width": 40, "original_height": 30, "image_rotation": 0, "id": f"r{at}", "from_name": "label",
                "to_name": "image", "type": "rectanglelabels", "origin": "manual",
                "value": {**_percents(box), "rectanglelabels": [label]},
            }
            for at, (label, box) in enumerate(boxes)
        ]  # fmt: skip
        annotations = [{"id": number, "completed_by": 1, "result": result, "was_cancelled": False}]
        tasks.append({"id": number, "annotations": annotations, "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}})
    (folder / "project-1-at-2024-01-01.json").write_text(json.dumps(tasks))
    return folder


def write_label_studio_min(folder: Path) -> Path:
    write_pictures(folder / "pictures")
    rows = []
    for number, (name, boxes) in enumerate(BOXES.items()):
        labels = [
            {**_percents(box), "rectanglelabels": [label], "original_width": 40, "original_height": 30}
            for label, box in boxes
        ]
        row = {
            "image": f"/data/local-files/?d=set/pictures/{name}",
            "id": number,
            "annotator": 1,
            "annotation_id": number,
        }
        rows.append({**row, "label": labels} if labels else row)
    (folder / "min.json").write_text(json.dumps(rows))
    return folder / "min.json"


def write_metadata(folder: Path) -> Path:
    write_pictures(folder)
    lines = [
        {
            "file_name": name,
            "objects": {
                "bbox": [[x1, y1, x2 - x1, y2 - y1] for _, (x1, y1, x2, y2) in boxes],
                "categories": [label for label, _ in boxes],
            },
        }
        for name, boxes in BOXES.items()
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_via(folder: Path) -> Path:
    """A project of VIA 2.0.11."""
    write_pictures(folder)
    pictures = {}
    for name, boxes in BOXES.items():
        regions = [
            {
                "shape_attributes": {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1},
                "region_attributes": {"class": label},
            }
            for label, (x1, y1, x2, y2) in boxes
        ]
        size = (folder / name).stat().st_size
        pictures[f"{name}{size}"] = {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
    content = {
        "_via_settings": {"ui": {}, "core": {"default_filepath": ""}, "project": {"name": "via_project"}},
        "_via_img_metadata": pictures,
        "_via_attributes": {"region": {"class": {"type": "text"}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(pictures),
    }
    (folder / "via_project.json").write_text(json.dumps(content))
    return folder


def write_via_csv(folder: Path) -> Path:
    write_pictures(folder)
    with (folder / "via_region_data.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(
            ["#filename", "file_size", "file_attributes", "region_count", "region_id", "region_shape_attributes",
             "region_attributes"]
        )  # fmt: skip
        for name, boxes in BOXES.items():
            for at, (label, (x1, y1, x2, y2)) in enumerate(boxes):
                shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
                rows.writerow([name, 99, "{}", len(boxes), at, json.dumps(shape), json.dumps({"name": label})])
            if not boxes:
                rows.writerow([name, 99, "{}", 0, 0, "{}", "{}"])
    return folder / "via_region_data.csv"


def write_createml(folder: Path) -> Path:
    write_pictures(folder)
    content = [
        {
            "image": name,
            "annotations": [
                {
                    "label": label,
                    "coordinates": {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "width": x2 - x1, "height": y2 - y1},
                }
                for label, (x1, y1, x2, y2) in boxes
            ],
        }
        for name, boxes in BOXES.items()
    ]
    (folder / "_annotations.createml.json").write_text(json.dumps(content))
    return folder


def write_supervisely(folder: Path) -> Path:
    write_pictures(folder / "first" / "img")
    (folder / "first" / "ann").mkdir()
    classes = [{"title": name, "shape": "rectangle", "color": "#0F8A12", "id": 7} for name in NAMES]
    (folder / "meta.json").write_text(json.dumps({"classes": classes, "tags": [], "projectType": "images"}))
    for name, boxes in BOXES.items():
        figures = [
            {
                "id": 1, "classId": 7, "classTitle": label, "geometryType": "rectangle", "tags": [], "description": "",
                "points": {"exterior": [[x1, y1], [x2 - 1, y2 - 1]], "interior": []},
            }
            for label, (x1, y1, x2, y2) in boxes
        ]  # fmt: skip
        content = {"description": "", "tags": [], "size": {"height": 30, "width": 40}, "objects": figures}
        (folder / "first" / "ann" / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_crowdhuman(folder: Path) -> Path:
    write_pictures(folder / "Images")
    with (folder / "annotation_val.odgt").open("w") as stream:
        for name, boxes in BOXES.items():
            rows = [
                {
                    "fbox": [x1, y1, x2 - x1, y2 - y1], "tag": label,
                    "extra": {"box_id": 0, "occ": 0}, "head_attr": {"ignore": 0, "occ": 0},
                }
                for label, (x1, y1, x2, y2) in boxes
            ]  # fmt: skip
            stream.write(json.dumps({"ID": name.removesuffix(".png"), "gtboxes": rows}) + "\n")
    return folder


WRITERS = {
    "csv": write_csv,
    "csv with sizes": write_sized_csv,
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "labelme": write_labelme,
    "cvat": write_cvat,
    "label studio": write_label_studio,
    "label studio, min": write_label_studio_min,
    "metadata": write_metadata,
    "via": write_via,
    "via, a table": write_via_csv,
    "createml": write_createml,
    "supervisely": write_supervisely,
    "crowdhuman": write_crowdhuman,
}
