"""CVAT's XML as people have it."""

from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.errors import DataError, FileNote, FormatError
from convolens.media.images import write_image

SQUARE = (40, 20, 60, 60)
BOX = '<box label="cat" occluded="0" xtl="40" ytl="20" xbr="60" ybr="60" z_order="0"></box>'


@pytest.fixture
def pair(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / "images").mkdir(exist_ok=True)
        write_image(tmp_path / "images" / name, np.zeros((80, 100), np.uint8))
    return tmp_path


def write(folder: Path, *images: str, meta: str = "", more: str = "") -> Path:
    inside = "".join(
        f'<image id="{at}" name="{"ab"[at]}.png" width="100" height="80" {more}>{one}</image>'
        for at, one in enumerate(images)
    )
    file = folder / "annotations.xml"
    file.write_text(f"<annotations><version>1.1</version><meta>{meta}</meta>{inside}</annotations>", encoding="utf-8")
    return file


def boxes(data) -> list:
    return [
        [(data.class_names[box.label], tuple(round(one, 6) for one in box.xyxy)) for box in example.boxes]
        for example in data.examples
    ]


@pytest.mark.parametrize(
    "shape",
    [
        BOX,
        '<box label="cat" xtl="40" ytl="20" xbr="60" ybr="60" rotation="0.00"/>',
        '<box label="cat" xtl="30" ytl="30" xbr="70" ybr="50" rotation="90"/>',
        '<box label="cat" xtl="30" ytl="30" xbr="70" ybr="50" rotation="270.0"/>',
        '<polygon label="cat" points="40.00,20.00;60.00,20.00;60.00,60.00"/>',
        '<ellipse label="cat" cx="50" cy="40" rx="10" ry="20"/>',
        '<ellipse label="cat" cx="50" cy="40" rx="20" ry="10" rotation="90"/>',
        '<mask label="cat" source="manual" rle="1, 2, 797" left="40" top="20" width="20" height="40"/>',
        '<cuboid label="cat" xtl1="40" ytl1="20" xbl1="40" ybl1="60" xtr1="50" ytr1="20" xbr1="50" ybr1="60" '
        'xtl2="55" ytl2="25" xbl2="55" ybl2="50" xtr2="60" ytr2="25" xbr2="60" ybr2="50"/>',
        '<polygon label="cat" points="40,20;50,20;50,60" group_id="1"/><polygon label="cat" points="55,30;60,30;60,40" '
        'group_id="1"/>',
    ],
)
def test_shapes_become_upright_boxes(pair, shape):
    data = read_data(write(pair, shape, ""))
    assert boxes(data) == [[("cat", SQUARE)], []]
    assert read_data(pair).examples == data.examples


def test_marks_of_cocos_and_vocs_conversions_are_kept_and_other_attributes_told(pair):
    marks = "".join(f'<attribute name="{name}">true</attribute>' for name in ("is_crowd", "difficult", "occluded"))
    mine = '<attribute name="color">red</attribute><attribute name="note"></attribute>'
    file = write(pair, BOX.replace("></box>", f">{marks}{mine}</box>"))
    with pytest.warns(FileNote, match="passed over the attribute 'color' of a cat$"):
        (box,) = read_data(file).examples[0].boxes
    assert (box.crowd, box.difficult, box.truncated) == (True, True, False)


@pytest.mark.parametrize(("subset", "split"), [("Train", "train"), ("val", "validation"), ("default", "")])
def test_subsets_are_splits(pair, subset, split):
    data = read_data(write(pair, BOX, BOX, more=f'subset="{subset}" task_id="3"'))
    assert [one.split for one in data.examples] == [split] * 2


@pytest.mark.parametrize("place", ["task", "project", "job"])
def test_declared_labels_give_the_classes_their_order(pair, place):
    names = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("dog", "cat", "cow"))
    names += "<label><name>1</name><parent>cat</parent></label>"
    data = read_data(write(pair, BOX, "", meta=f"<{place}><labels>{names}</labels></{place}>"))
    assert data.class_names == ("dog", "cat", "cow")
    assert boxes(data) == [[("cat", SQUARE)], []]


def test_tags_are_labels_of_the_picture(pair):
    data = read_data(write(pair, '<tag label="cat" source="manual"/><tag label="dog"/>', ""))
    assert (data.kind, data.class_names, [one.labels for one in data.examples]) == (
        "labels",
        ("cat", "dog"),
        [(0, 1), ()],
    )
    file = write(pair, f'<tag label="indoor"/>{BOX}')
    with pytest.warns(FileNote, match=r"has labels of the whole picture \(indoor\), passed over beside boxes"):
        data = read_data(file)
    assert (data.kind, data.class_names) == ("boxes", ("cat",))


@pytest.mark.parametrize("tag", ["points", "polyline", "skeleton"])
def test_shapes_without_area_are_passed_over_with_a_word(pair, tag):
    file = write(pair, f'{BOX}<{tag} label="cat" points="1,2;3,4"/>')
    with pytest.warns(FileNote, match=f"passed over a shape that has no area: {tag}"):
        assert boxes(read_data(file)) == [[("cat", SQUARE)]]
    assert [one.count for one in diagnose(file, progress=False).findings if one.kind == "shape passed over"] == [1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<box xtl="40" ytl="20" xbr="60" ybr="60"/>', "box: need a label, got none"),
        ('<box label="cat" xtl="40"/>', "box: need xtl, ytl, xbr, ybr, got label, xtl"),
        ('<box label="cat" xtl="a" ytl="20" xbr="60" ybr="60"/>', "box: need a number, got 'a'"),
        ('<box label="cat" xtl="inf" ytl="20" xbr="60" ybr="60"/>', "box: need a finite number, got 'inf'"),
        ('<polygon label="cat" points="1,2;3,4"/>', "polygon: need three points"),
        ('<polygon label="cat" points="1,2;3,4;5"/>', "polygon: need three points"),
        ('<polygon label="cat" points="1,2;3,4;5,6" group_id="x"/>', "polygon: "),
        ('<blob label="cat"/>', "blob: need a shape or a tag, got another element"),
    ],
)
def test_what_is_wrong_is_one_fault_and_the_others_are_read(pair, shape, message):
    found = read_with_faults(write(pair, shape, BOX))
    (fault,) = found.faults
    assert message in fault.sentence
    assert boxes(found.data) == [[], [("cat", SQUARE)]]


def test_video_and_entities_are_refused_with_what_helps(pair):
    file = pair / "annotations.xml"
    file.write_text('<annotations><track id="0" label="cat"><box frame="0"/></track></annotations>')
    with pytest.raises(DataError, match="need CVAT for images, got CVAT for video; export it as the former"):
        read_data(file)
    file.write_text('<!DOCTYPE a [<!ENTITY x "y">]><annotations><image name="a.png">&x;</image></annotations>')
    with pytest.raises(DataError, match="need XML without entities"):
        read_data(file)
    file.write_text("<annotations>" + "<a>" * 100_000)
    with pytest.raises((DataError, FormatError), match="need XML, got"):
        read_data(file)
