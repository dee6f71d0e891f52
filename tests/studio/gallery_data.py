"""Small data sets to look through, and what commands would say of them."""

import csv
import json

import numpy as np

from convolens.media.images import write_image
from convolens.studio.database import Database
from convolens.studio.gallery.filling import fill, opened
from convolens.studio.gallery.galleries import gallery
from convolens.studio.gallery.results import model_number, take_predictions

HOSTILE = "<img src=x onerror=alert(1)>"


def made(home):
    """A database in a folder of its own."""
    home.mkdir(parents=True, exist_ok=True)
    return Database(home)


def looked_through(database, path):
    """The data at a path, read."""
    number = opened(database, path)
    fill(database, number)
    return gallery(database, number)


def folders(root, counts=(("cat", 4), ("dog", 3), (HOSTILE, 2)), splits=("train", "val")):
    """Pictures of classes in splits, each of another size and brightness."""
    at = 0
    for split in splits:
        for name, count in counts:
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                at += 1
                write_image(folder / f"{number}.png", np.full((10 + at % 50, 20 + at % 50, 3), 5 * at % 256, np.uint8))
    return root


def coco(root, count=3):
    """Pictures of 40 by 30 with two boxes each."""
    (root / "images").mkdir(parents=True)
    images, rows = [], []
    for number in range(count):
        write_image(root / "images" / f"{number}.png", np.full((30, 40, 3), (60 * number + 30) % 256, np.uint8))
        images.append({"id": number, "file_name": f"images/{number}.png", "width": 40, "height": 30})
        rows += [
            _annotation(2 * number + 1, number, 1, [2, 3, 10, 8], 55),
            _annotation(2 * number + 2, number, 2, [20, 5, 15, 20], 300),
        ]
    names = [{"id": 1, "name": "car"}, {"id": 2, "name": "van"}]
    (root / "instances.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": names}))
    return root


def _annotation(number, image, category, bbox, area):
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "area": area, "iscrowd": 0}


def predicted(database, data, folder, said, model="model.safetensors"):
    """Takes predictions: of each path (its end) the likeliest label with its score, the second likeliest."""
    lines = [{"path": path, "labels": [a, b], "scores": [score, 1 - score]} for path, (a, score, b) in said.items()]
    return took(database, data, folder, lines, model)


def took(database, data, folder, lines, model="model.safetensors"):
    file = folder / "predictions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    number = model_number(database, data, folder / model)
    assert take_predictions(database, data, number, file) == len(lines)
    return number


def table(file, rows):
    """A table as the doctor writes it."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file
