"""Names of pictures as other programs and other machines spell them, in every format that names pictures."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.data.picture_names import PictureNames, pictures_of
from convolens.media.images import write_image

SQUARE = (40, 20, 60, 60)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))
    return path


def coco(folder: Path, *names: str) -> Path:
    file = folder / "a.json"
    images = [{"id": at, "file_name": name} for at, name in enumerate(names)]
    annotations = [{"image_id": at, "category_id": 1, "bbox": [40, 20, 20, 40]} for at in range(len(names))]
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]})
    )
    return file


def csv(folder: Path, *names: str) -> Path:
    file = folder / "a.csv"
    file.write_text("path,label,x1,y1,x2,y2\n" + "".join(f'"{name}",cat,40,20,60,60\n' for name in names))
    return file


def voc(folder: Path, *names: str) -> Path:
    for at, name in enumerate(names):
        box = "<bndbox><xmin>41</xmin><ymin>21</ymin><xmax>60</xmax><ymax>60</ymax></bndbox>"
        text = f"<annotation><filename>{name}</filename><object><name>cat</name>{box}</object></annotation>"
        (folder / f"x{at}.xml").write_text(text, encoding="utf-8")
    return folder


def yolo(folder: Path, *names: str) -> Path:
    (folder / "list.txt").write_text("".join(name + "\n" for name in names))
    for at in folder.rglob("*.[pP][nN][gG]"):
        at.with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.5\n")
    file = folder / "data.yaml"
    file.write_text("train: list.txt\nnames: [cat]\n")
    return file


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("A.PNG", "a.png"),
        ("a.png", "A.PNG"),
        ("Images/A.png", "images/a.PNG"),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png")),  # a Mac's
        (unicodedata.normalize("NFD", "über/é.png"), unicodedata.normalize("NFC", "über/é.png")),
        ("a%20b.png", "a b.png"),
        ("sub%2Fa.png".replace("%2F", "/"), "sub/a.png"),
        ("file:///home/me/a.png", "a.png"),
        ("../elsewhere/a.png", "a.png"),
        ("..\\..\\a.png", "a.png"),
        ("data/images/a.png", "images/a.png"),
        ("C:\\Users\\me\\Set\\A.png", "set/a.png"),
        ("./a.png", "a.png"),
        (" a.png", "a.png"),
        ("images/a.png ", "images/a.png"),
        ("\\\\server\\share\\set\\a.png", "set/a.png"),
        ("sub\\x/a.png", "sub/x/a.png"),
    ],
)
@pytest.mark.parametrize("write", [coco, csv, voc, yolo])
def test_a_picture_is_found_by_other_spellings_of_its_name(tmp_path, name, there, write):
    picture(tmp_path / there)
    picture(tmp_path / "another.png")
    (example,) = read_data(write(tmp_path, name)).examples
    assert example.path.resolve() == (tmp_path / there).resolve()
    assert [tuple(round(one) for one in box.xyxy) for box in example.boxes] == [SQUARE]


@pytest.mark.parametrize("write", [coco, csv, voc, yolo])
def test_a_name_as_it_stands_comes_before_its_spellings(tmp_path, write):
    for name in ("a.png", "A.png", "sub/a.png"):
        picture(tmp_path / name)
    paths = [one.path for one in read_data(write(tmp_path, "A.png", "a.png", "sub/a.png")).examples]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["A.png", "a.png", "sub/a.png"]


@pytest.mark.parametrize("write", [coco, csv, voc])
@pytest.mark.parametrize("names", [("A.PNG",), ("old/c.png", "new/c.png")])
def test_a_name_that_means_two_pictures_or_two_names_that_mean_one_are_faults(tmp_path, write, names):
    for name in ("a.png", "A.png", "c.png"):
        picture(tmp_path / name)
    found = read_with_faults(write(tmp_path, *names))
    assert len(found.faults) == 1
    assert "need one picture" in found.faults[0].sentence or "need a picture for each name" in found.faults[0].sentence
    if found.data.examples:
        assert diagnose(tmp_path if write is voc else tmp_path / f"a.{write.__name__.replace('coco', 'json')}",
                        progress=False).faults  # fmt: skip


@pytest.mark.parametrize("write", [coco, csv])
def test_a_picture_of_another_split_is_not_taken(tmp_path, write):
    picture(tmp_path / "test" / "a.png")
    file = write(tmp_path, "val/a.png")
    assert not read_data(file).examples[0].path.exists()
    file.rename(tmp_path / f"train{file.suffix}")
    assert not read_data(tmp_path / f"train{file.suffix}").examples[0].path.exists()


@pytest.mark.parametrize(
    "place", ["train", "train_images", "images", "images/train", "JPEGImages", "Photos", "anything"]
)
def test_pictures_are_looked_for_in_the_folders_beside(tmp_path, place):
    picture(tmp_path / place / "a.png")
    (tmp_path / "test").mkdir()
    (tmp_path / "train.csv").write_text("id,breed\na,cat\n")
    found = read_with_faults(tmp_path / "train.csv").data.examples
    assert [one.path for one in found] == [tmp_path / place / "a.png"]


def test_folders_are_listed_once_and_not_for_each_name(tmp_path, monkeypatch):
    for at in range(30):
        picture(tmp_path / "images" / f"{at}.png")
    finder = pictures_of(tmp_path / "a.json", ["0.png"])
    listed = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or real(folder))
    assert all(finder.find(f"{at}.png") for at in range(30))
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", ["x" * 5000 + ".png", "a\0.png", "/", "..", ".", "", "a/" * 2000])
def test_names_that_no_file_has_are_not_found(tmp_path, name):
    picture(tmp_path / "b.png")
    assert PictureNames([tmp_path]).find(name) is None
