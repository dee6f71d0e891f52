"""Other programs read what we write, and we read what they write; `outside/make_goldens.py` made the goldens."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from convolens.data import read_with_faults
from tests.data.outside import make_goldens
from tests.data.outside.truth import BOXES

HERE = Path(__file__).parent / "outside"
READ = json.loads((HERE / "read_by_others.json").read_text())
with ZipFile(HERE / "theirs.zip") as archive:
    THEIRS = sorted({"/".join(name.split("/")[:2]) for name in archive.namelist()})

FROM_0 = ("datumaro/voc_detection", "globox/pascal_voc")  # they write VOC's corners as they are, and nothing says so
WITHOUT_ROWS = ("datumaro/open_images", "globox/openimage")  # of pictures without objects
WITHOUT_SPLITS = ("datumaro/open_images",)  # of whose files the second has no boxes


def moved(corners, by: int = 0) -> object:
    x1, y1, x2, y2 = corners
    return pytest.approx((x1 + by, y1 + by, x2, y2), abs=1e-4)


@pytest.mark.parametrize("source", THEIRS)
def test_what_other_programs_write_is_read(tmp_path, source):
    with ZipFile(HERE / "theirs.zip") as archive:
        archive.extractall(tmp_path)
    reading = read_with_faults(tmp_path / source)
    data = reading.data
    assert not reading.faults
    found = {
        one.path.stem: [(data.class_names[box.label], box.xyxy) for box in one.boxes]
        for one in data.examples
        if one.path.exists()
    }
    by = -1 if source in FROM_0 else 0
    wanted = {stem: [(name, moved(box, by)) for name, box in boxes] for stem, boxes in BOXES.items()}
    assert found == {stem: boxes for stem, boxes in wanted.items() if boxes or source not in WITHOUT_ROWS}
    splits = {one.path.stem: one.split for one in data.examples}
    if source.startswith("datumaro") and source not in WITHOUT_SPLITS:
        assert splits == {stem: "train" if boxes else "validation" for stem, boxes in BOXES.items()}


def test_what_we_write_today_is_what_the_others_have_read(tmp_path):
    make_goldens.write_ours(tmp_path / "ours")
    make_goldens.pack(tmp_path / "ours", tmp_path / "ours.zip", with_pictures=False)
    with ZipFile(tmp_path / "ours.zip") as today, ZipFile(HERE / "ours.zip") as golden:
        assert today.namelist() == golden.namelist()
        assert {name: today.read(name) for name in today.namelist()} == {
            name: golden.read(name) for name in golden.namelist()
        }


@pytest.mark.parametrize(("form", "program"), [(form, program) for form in READ for program in READ[form]])
def test_the_others_have_read_what_it_is(form, program):
    found = {stem: {name: moved(box) for name, box in boxes} for stem, boxes in READ[form][program].items()}
    # Label Studio's converter writes nothing for a picture without objects; VOC's first pixel is 1, and they keep that.
    assert not found.pop("empty", {})
    by = 1 if form == "voc" else 0
    assert found == {
        stem: {name: (x1 + by, y1 + by, x2, y2) for name, (x1, y1, x2, y2) in boxes}
        for stem, boxes in BOXES.items()
        if boxes
    }
