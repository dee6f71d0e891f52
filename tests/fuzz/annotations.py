"""Annotations of every format, beside three pictures: what says which classes and boxes are where."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from shutil import rmtree

import numpy as np

from convolens.data import DataSet, read_data
from convolens.data.doctor import as_page, as_text, diagnose
from convolens.data.reading import read_with_faults
from tests.data import writing
from tests.fuzz.form import Change, Format
from tests.fuzz.mutators import damaged
from tests.fuzz.networks import TRAIN, network
from tests.fuzz.trees import WORDS, change_json, change_table, change_text, change_xml, change_yaml


def read(path: Path) -> DataSet:
    """Reads with all faults, and then without; labels are of classes that there are, boxes have areas."""
    everything = read_with_faults(path)
    assert len(set(everything.data.class_names)) == len(everything.data.class_names), everything.data.class_names
    data = read_data(path)
    names = range(len(data.class_names))
    assert all(isinstance(name, str) for name in data.class_names), data.class_names
    for example in data.examples:
        assert all(label in names for label in example.labels), example
        for box in example.boxes:
            x1, y1, x2, y2 = box.xyxy
            assert box.label in names, example
            assert np.isfinite(np.array([x1, y1, x2, y2], float)).all(), box  # of whole numbers of any size
            assert x1 < x2, box
            assert y1 < y2, box
    return data


def read_and_look(path: Path) -> None:
    """The same, and sometimes what the doctor says of it."""
    data = read(path)
    if zlib.crc32(repr(data).encode()) % 16 == 0:
        found = diagnose(path, progress=False)
        as_text(found)
        json.dumps(found.to_dict(), default=str)
        as_page(found)


def stage_labels(folder: Path) -> None:
    """The same, with the text files of YOLO's."""
    stage_pictures(folder)
    writing.write_yolo(folder)


def stage_pictures(folder: Path) -> None:
    """Three pictures beside the file, again in `images`, and a model to measure."""
    writing.write_pictures(folder)
    writing.write_pictures(folder / "images")
    (folder.parent / "models").mkdir(exist_ok=True)
    network().save(folder.parent / "models" / "whole.safetensors")


def coco_seeds() -> list[bytes]:
    """With outlines, crowds, areas, and ids of all kinds."""
    plain = writing.coco()
    more = json.loads(json.dumps(plain))
    more["annotations"][0] |= {"segmentation": [[1, 1, 9, 1, 9, 9]], "area": 32.0, "iscrowd": 0, "keypoints": [1, 2, 2]}
    more["annotations"][1] |= {"segmentation": {"counts": [1, 2], "size": [30, 40]}, "iscrowd": 1}
    more["images"][0]["id"], more["info"] = "x", {"year": 2026}
    more["annotations"][0]["image_id"] = "x"
    return [json.dumps(plain).encode(), json.dumps(more).encode()]


def voc_seeds() -> list[bytes]:
    """One picture's objects, also difficult ones, with parts, rotated, as outlines."""
    head = "<annotation><folder>a</folder><filename>a.png</filename><size><width>40</width><height>30</height></size>"
    box = "<bndbox><xmin>3</xmin><ymin>5</ymin><xmax>12</xmax><ymax>20</ymax></bndbox>"
    one = f"<object><name>cat</name><difficult>1</difficult>{box}<part><name>head</name>{box}</part></object>"
    outline = "<object><name>dog</name><polygon><x1>1</x1><y1>1</y1><x2>9</x2><y2>1</y2><x3>9</x3><y3>9</y3></polygon>"
    outline = outline.replace("<polygon>", f"{box}<polygon>")
    rotated = "<robndbox><cx>9</cx><cy>9</cy><w>4</w><h>6</h><angle>0.5</angle></robndbox>"
    turned = f"<object><name>dog</name>{box}{rotated}</object>"
    return [f"{head}{one}</annotation>".encode(), f"{head}{one}{outline}</object>{turned}</annotation>".encode()]


def yaml_seeds() -> list[bytes]:
    """Names as lists and mappings, splits, key points, Roboflow's and Ultralytics' further keys."""
    return [
        b"path: .\ntrain: images  # all of them\nnc: 2\nnames:\n  0: cat\n  1: 'dog'\n",
        b"train: ../x/images\nval: images\nnc: 2\nnames: ['cat', \"dog\"]\nroboflow:\n  project: a\n  version: 3\n",
        b"train: [images, images]\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\nnames: [cat, dog]\ndownload: |\n  print(1)\n",
    ]


def yolo_lines() -> list[bytes]:
    """Boxes, outlines, key points."""
    return [b"0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1\n", b"1 0.1 0.1 0.9 0.1 0.9 0.9\n", b""]


def csv_seeds() -> list[bytes]:
    """Each of the layouts."""
    return [
        b"path,label\na.png,cat\nb.png,dog\nempty.png,cat\n",
        b"path,labels\na.png,cat;dog\nb.png,\n",
        b"path,cat,dog\na.png,1,1\nb.png,0,0\n",
        b"path,label,x1,y1,x2,y2\na.png,cat,2,4,12,20\nb.png,dog,10,10,30,28\nempty.png,,,,,\n",
        b'image;class;x;y;w;h;split\n"a.png";cat;2;4;10;16;train\nb.png;dog;1;1;9;9;val\n',
        b"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,2,4,12,20\n",
    ]


def class_seeds() -> list[bytes]:
    """Names of pictures in folders of classes, one a line."""
    return [b"cat/a.png\ncat/b.png\ndog/c.png\n", b"train/cat/a.png\ntrain/dog/a.png\nval/cat/b.png\ntest/dog/b.png\n"]


def place_classes(folder: Path, data: bytes) -> Path:
    """Folders of links to one picture, of these names, as far as the file system takes them."""
    root = folder / "classes"
    rmtree(root, ignore_errors=True)
    root.mkdir()
    for line in data.splitlines()[:30]:
        parts = [part for part in line.split(b"/") if part not in (b"", b".", b"..")]
        name = bytes(root) + b"/" + b"/".join(parts)
        try:
            path = Path(name.decode(errors="surrogateescape"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(folder / "a.png")
        except (OSError, ValueError):  # no file can have this name
            continue
    return root


def change_names(data: bytes, luck: Random) -> bytes:
    """Lines of names with odd letters in them."""
    return change_text(data, luck) if luck.random() < 0.7 else damaged(data, luck)


def put_labels(folder: Path, data: bytes) -> Path:
    """The text file of a picture of YOLO's."""
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "a.txt").write_bytes(data)
    (folder / "labels" / "b.txt").write_bytes(b"1 0.5 0.5 0.5 0.5\n")
    (folder / "data.yaml").write_bytes(yaml_seeds()[0])
    return folder / "data.yaml"


def put_darknet(folder: Path, data: bytes) -> Path:
    """`obj.data`, its names and its list, all three in one, parted by a line of its own."""
    description, names, pictures = (*data.split(b"====\n"), b"", b"")[:3]
    (folder / "obj.data").write_bytes(description)
    (folder / "obj.names").write_bytes(names)
    (folder / "train.txt").write_bytes(pictures)
    (folder / "images" / "a.txt").write_bytes(b"0 0.5 0.5 0.5 0.5\n")
    return folder / "obj.data"


def darknet_seeds() -> list[bytes]:
    """Darknet's description, names and list."""
    return [b"classes = 2\ntrain = train.txt\nnames = obj.names\n====\ncat\ndog\n====\nimages/a.png\nimages/b.png\n"]


def _model(path: Path) -> Path:
    folder = path if path.is_dir() else path.parent
    return next(one / "models" / "whole.safetensors" for one in folder.parents if (one / "models").is_dir())


COMMANDS = (
    lambda path, out: ["doctor", path, "--html", out / "a.html"],
    lambda path, out: ["doctor", path, "--json"],
    lambda path, out: ["evaluate", _model(path), path, "--device", "cpu"],
    lambda path, out: ["train", "classify", path, "--out", out / "run", *TRAIN],
    lambda path, out: ["train", "detect", path, "--out", out / "run", *DETECT],
    lambda path, out: ["convert", path, out / "coco", "--to", "coco"],
    lambda path, out: ["convert", path, out / "yolo", "--to", "yolo-seg", "--split", "0.5,0.5", "--link"],
    lambda path, out: ["convert", path, out / "tasks", "--to", "label-studio"],
    lambda path, out: ["convert", path, out / "folders", "--to", "folders"],
    lambda path, out: ["explain", _model(path), path, "--measure", "--count", 2, "--device", "cpu"],
)
DETECT = (
    *TRAIN[:2],
    *("--width", 1 / 16, "--size", 64, "--epochs", 1, "--batch", 2, "--workers", 1, "--device", "cpu"),
)


def form(
    name: str,
    seeds: Callable[[], list[bytes]],
    change: Change,
    place: Callable[[Path, bytes], Path] | None = None,
    stage: Callable[[Path], None] = stage_pictures,
) -> Format:
    """A format of annotations."""
    return Format(name, seeds, change, read_and_look, stage, place, COMMANDS, WORDS)


FORMATS = {
    "coco": form("instances.json", coco_seeds, change_json),
    "voc": form("a.xml", voc_seeds, change_xml, lambda folder, data: _in_folder(folder, data)),
    "yolo data.yaml": form("data.yaml", yaml_seeds, change_yaml, stage=stage_labels),
    "yolo labels": form("a.txt", yolo_lines, change_text, put_labels),
    "darknet": form("obj.data", darknet_seeds, change_text, put_darknet),
    "csv": form("boxes.csv", csv_seeds, change_table),
    "class folders": form("names", class_seeds, change_names, place_classes),
}


def _in_folder(folder: Path, data: bytes) -> Path:
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / "Annotations" / "a.xml").write_bytes(data)
    return folder
