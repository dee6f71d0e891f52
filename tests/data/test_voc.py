"""VOC data as people have it: each case after a public report about some tool, remade small."""

from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import FileNote
from convolens.media.images import write_image

OBJECT = "<object><name>{}</name><bndbox><xmin>41</xmin><ymin>21</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object>"
BOX = (40, 20, 60, 60)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))


def xml(path: Path, name: str = "", of: str = "cat", size: str = "", head: str = "", encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    filename = f"<filename>{name}</filename>" if name else ""
    text = f"{head}<annotation>{filename}{size}{OBJECT.format(of)}</annotation>"
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("file", "name", "there"),
    [
        ("IMG_1.xml", "IMG_1", "IMG_1.JPG"),
        ("IMG_2.xml", "IMG_2.jpg", "IMG_2.JPG"),
        ("c.d.xml", "c.d", "c.d.jpg"),
        ("e.xml", "C:\\Users\\me\\Pictures\\e.jpg", "e.jpg"),
        ("f.xml", "", "f.JPEG"),
        ("G.XML", "/home/me/g.png", "g.png"),
        ("h.xml", "renamed_since.jpg", "h.PNG"),
        ("i.xml", " i.png\n", "I.png"),
    ],
)
@pytest.mark.parametrize("folders", [("Annotations", "JPEGImages"), ("ANNOTATIONS", "images"), (".", ".")])
def test_a_picture_is_found_by_what_programs_write_as_its_name(tmp_path, file, name, there, folders):
    xml(tmp_path / folders[0] / file, name)
    picture(tmp_path / folders[1] / there)
    picture(tmp_path / folders[1] / "another.png")
    (example,) = read_data(tmp_path).examples
    assert example.path.resolve() == (tmp_path / folders[1] / there).resolve()
    assert example.boxes[0].xyxy == BOX


def test_the_name_as_it_stands_comes_first_and_two_that_fit_as_well_are_a_fault(tmp_path):
    for name in ("a.png", "A.png", "b.png", "b.jpg"):
        picture(tmp_path / name)
    xml(tmp_path / "a.xml", "A.png")
    xml(tmp_path / "b.xml", "b")
    found = read_with_faults(tmp_path)
    assert [one.path.name for one in found.data.examples] == ["A.png"]
    assert [fault.sentence.split("b.xml: ")[1] for fault in found.faults] == [
        "need one picture 'b', found b.jpg, b.png"
    ]


def test_a_picture_that_is_not_there_keeps_its_name(tmp_path):
    xml(tmp_path / "a.xml", "gone.png")
    xml(tmp_path / "b.xml", "x" * 5000 + "/y" * 3000)
    assert [one.path.name for one in read_data(tmp_path).examples] == ["gone.png", "y"]


@pytest.mark.parametrize(
    ("declared", "written", "name"),
    [
        ("ISO-8859-1", "latin-1", "Straße"),
        ("gb2312", "gb2312", "车"),
        ("gb2312", "gbk", "镕"),  # in the large set alone
        ("Shift_JIS", "shift_jis", "車"),
        ("windows-1251", "cp1251", "кот"),
        ("UTF-8", "utf-8-sig", "Straße"),
        ("utf-16", "utf-16", "车"),
        ("", "utf-8", "车"),
        ("", "utf-16", "车"),
    ],
)
def test_texts_are_read_in_the_encoding_that_they_declare(tmp_path, declared, written, name):
    picture(tmp_path / "a.png")
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    xml(tmp_path / "a.xml", "a.png", name, head=head, encoding=written)
    assert read_data(tmp_path).class_names == (name,)


@pytest.mark.parametrize(
    ("declared", "written", "message"),
    [
        ("UTF-8", "latin-1", "need text in utf-8"),
        ("", "latin-1", "need text in utf-8"),
        ("klingon", "utf-8", "need a known encoding of its text, got 'klingon'"),
        ("zip", "utf-8", "need a known encoding of its text, got 'zip'"),
        ("ascii", "utf-8", "need text in ascii, as it says or by default"),
    ],
)
def test_an_encoding_that_does_not_fit_is_one_fault(tmp_path, declared, written, message):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    xml(tmp_path / "a.xml", "a.png", "Straße", head=head, encoding=written)
    xml(tmp_path / "b.xml", "b.png")
    found = read_with_faults(tmp_path)
    (fault,) = found.faults
    assert message in fault.sentence and len(found.data) == 1


def test_what_a_mac_leaves_behind_is_ignored(tmp_path):
    picture(tmp_path / "a.png")
    xml(tmp_path / "a.xml", "a.png")
    for name in ("._a.xml", "._a.png", ".DS_Store", "__MACOSX/._a.xml", "__MACOSX/b.xml", "Annotations/._c.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    found = read_with_faults(tmp_path)
    assert [one.path.name for one in found.data.examples] == ["a.png"]
    assert not found.faults


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("<size><width>100</width><height>80</height><depth>3</depth></size>", (100, 80)),
        ("<size><width>100.0</width><height> 80 </height><depth/></size>", (100, 80)),
        ("<size><width></width><height/></size>", None),
        ("<size/>", None),
        ("<size><width>0</width><height>0</height></size>", None),
        ("<size><width>nan</width><height>80</height></size>", None),
        ("<size><width>inf</width><height>80</height></size>", None),
        ("<size><width>1e300</width><height>80</height></size>", None),
        ("<size><width>wide</width><height>80</height></size>", None),
        ("<segmented></segmented><object_count></object_count>", None),
    ],
)
def test_numbers_that_nothing_depends_on_may_be_empty_or_none(tmp_path, size, expected):
    picture(tmp_path / "a.png")
    xml(tmp_path / "a.xml", "a.png", size=size + "<object><name>cat</name><pose/><difficult></difficult>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>")  # fmt: skip
    (example,) = read_data(tmp_path).examples
    assert example.size == expected
    assert [box.difficult for box in example.boxes] == [False, False]


@pytest.mark.parametrize(("corner", "first"), [("0", 0), ("0.0", 0), ("0.5", 0), ("1", 1), ("-3", 1)])
def test_a_corner_below_1_says_that_corners_count_from_0_and_so_is_said(tmp_path, corner, first, recwarn):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
        xml(tmp_path / f"{name}.xml", f"{name}.png")
    file = tmp_path / "b.xml"
    file.write_text(file.read_text().replace("<ymin>21<", f"<ymin>{corner}<"))
    data = read_data(tmp_path)
    assert data.examples[0].boxes[0].xyxy == (41 - first, 21 - first, 60, 60)
    notes = [str(one.message) for one in recwarn if issubclass(one.category, FileNote)]
    assert [("count from 0" in note) for note in notes] == [True] * (1 - first)
    kinds = [one.kind for one in diagnose(tmp_path, progress=False).findings]
    assert ("corners from 0" in kinds) == (first == 0)
