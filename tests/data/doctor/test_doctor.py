import csv
import json
import re
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolens import cli
from convolens.data import formats
from convolens.data.doctor import COLUMNS, diagnose
from convolens.data.doctor.annotations import WHAT_TO_DO
from convolens.data.doctor.duplicates import contrasts
from convolens.data.doctor.next_steps import NEXT_STEPS
from convolens.data.doctor.report import as_page
from convolens.errors import DataError
from convolens.media.images import read_image, write_image
from convolens.tour.pictures import photo

PHOTOS = ("astronaut.png", "coffee.png", "camera.png", "rocket.jpg", "chelsea.png", "coins.png")


def crops(folder, name, count, seed=0):
    """Crops of a photo that share little."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = read_image(photo(name))
    random = np.random.default_rng(seed)
    for number in range(count):
        y, x = random.integers(0, pixels.shape[0] - 120), random.integers(0, pixels.shape[1] - 120)
        write_image(folder / f"{name[:4]}{number}.png", pixels[y : y + 120, x : x + 120])


@pytest.fixture
def folders(tmp_path):
    crops(tmp_path / "person", "astronaut.png", 4)
    crops(tmp_path / "drink", "coffee.png", 4)
    return tmp_path


def kinds(found, level=None):
    return {one.kind: one.count for one in found.findings if level in (None, one.level)}


def finding(found, kind):
    return next(one for one in found.findings if one.kind == kind)


def test_good_data_is_clean_and_described(folders):
    found = diagnose(folders, progress=False)
    assert kinds(found) == {}
    assert found.facts["classes"] == {"drink": 4, "person": 4}
    assert found.facts["sizes"]["median"] == {"width": 120, "height": 120}
    assert found.facts["channels"] == {"colour": 8}


def test_files_that_cannot_be_read_are_counted_with_their_reasons(folders):
    (folders / "drink" / "empty.png").write_bytes(b"")
    whole = (folders / "drink" / "coff0.png").read_bytes()
    (folders / "drink" / "half.png").write_bytes(whole[: len(whole) // 2])
    (folders / "person" / "notes.txt").write_text("taken in May")
    found = diagnose(folders, progress=False)
    assert kinds(found) == {"unreadable file": 2, "other file": 1}
    assert "got 0 bytes" in finding(found, "unreadable file").instances[0].text
    assert [one.kind for one in found.faults] == ["unreadable file"]


def test_a_copy_and_a_copy_of_another_size_and_quality_are_told_apart(folders):
    shutil.copy(folders / "person" / "astr1.png", folders / "person" / "again.png")
    with Image.open(folders / "drink" / "coff2.png") as picture:
        picture.resize((90, 90), Image.Resampling.LANCZOS).save(folders / "drink" / "small.jpg", quality=60)
    found = diagnose(folders, progress=False)
    assert kinds(found) == {"copy": 1, "near copy": 1}
    assert {finding(found, "copy").instances[0].path.name, finding(found, "copy").instances[0].other.name} == {
        "again.png",
        "astr1.png",
    }
    assert finding(found, "near copy").instances[0].path.name == "small.jpg"
    assert finding(found, "near copy").level == "note"


def test_the_same_file_with_two_labels_contradicts_itself(folders):
    shutil.copy(folders / "person" / "astr1.png", folders / "drink" / "again.png")
    assert kinds(diagnose(folders, progress=False)) == {"contradicting copies": 1, "copy": 1}


def test_a_copy_in_the_other_part_is_a_leak_near_or_exact(tmp_path):
    for part in ("train", "val"):
        for name, kind in (("astronaut.png", "person"), ("coffee.png", "drink")):
            crops(tmp_path / part / kind, name, 3, seed=part == "val")
    assert kinds(diagnose(tmp_path, progress=False)) == {}
    with Image.open(tmp_path / "train" / "person" / "astr1.png") as picture:
        picture.save(tmp_path / "val" / "person" / "again.jpg", quality=80)
    shutil.copy(tmp_path / "train" / "drink" / "coff1.png", tmp_path / "val" / "drink" / "again.png")
    assert kinds(diagnose(tmp_path, progress=False), "fault") == {"leak": 2, "copy": 1}


def test_plain_pictures_are_not_taken_for_one_another(folders):
    for gray in (10, 11, 12):
        write_image(folders / "drink" / f"{gray}.png", np.full((50, 50), gray, np.uint8))
    assert "near copy" not in kinds(diagnose(folders, progress=False))


def test_rare_classes_mixed_channels_and_odd_sizes_are_notes(folders):
    for number in range(40):
        random = np.random.default_rng(number)
        write_image(folders / "drink" / f"n{number}.png", random.integers(0, 255, (40, 40), np.uint8))
    write_image(folders / "drink" / "tiny.png", np.zeros((1, 1), np.uint8))
    write_image(folders / "drink" / "long.png", np.zeros((20, 200), np.uint8))
    found = diagnose(folders, progress=False)
    assert kinds(found) == {"small picture": 1, "long picture": 1, "mixed channels": 2, "class imbalance": 1}
    assert finding(found, "class imbalance").instances[0].text == "person: 4"
    assert not found.faults


def table(folder, rows, head=("path", "label", "x1", "y1", "x2", "y2")):
    with (folder / "boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])
    return folder / "boxes.csv"


@pytest.fixture
def boxed(tmp_path):
    """Pictures of 120×90 pixels with one sound box each."""
    pixels = read_image(photo("rocket.jpg"))
    rows = []
    for number in range(20):
        name = f"{number}.png"
        write_image(tmp_path / name, pixels[20 * number // 2 :][:90, 25 * number :][:, :120])
        rows.append([name, "ab"[number % 2], 60 + number, 50, 90 + number, 80])
    return tmp_path, rows


def test_each_way_in_which_a_box_can_be_wrong_is_named(boxed):
    folder, rows = boxed
    assert kinds(diagnose(table(folder, rows), progress=False)) == {}
    rows += [
        ["0.png", "a", 30, 10, 20, 40],
        ["1.png", "a", 30, 10, 30, 40],
        ["2.png", "a", 30, 10, 123, 40],
        ["3.png", "a", "nan", 10, 30, 40],
        ["4.png", "a", 64, 50, 94, 80],
        ["5.png", "b", 0, 0, 120.8, 90.2],  # rounding
        ["6.png", "", 1, 2, 3, 4],
    ]
    rows.append(rows[7])
    found = diagnose(table(folder, rows), progress=False)
    assert kinds(found, "fault") == {
        "inverted box": 1,
        "box without area": 1,
        "box outside": 1,
        "box without numbers": 1,
        "box given twice": 2,
        "unreadable row": 1,
    }
    assert finding(found, "box outside").instances[0].text == "need a box in 120×90 pixels, got (30, 10, 123, 40)"


def test_boxes_read_as_another_format_are_recognized(boxed):
    folder, rows = boxed
    sized = [[name, label, x1, y1, x2 - x1, y2 - y1] for name, label, x1, y1, x2, y2 in rows]
    found = diagnose(table(folder, sized), progress=False)
    assert "20 of 20 are inverted, empty or outside); as x, y, width, height, 0 do not: probably they are those" in (
        finding(found, "boxes of another format").sentence
    )
    as_sizes = table(folder, rows, ("path", "label", "x", "y", "width", "height"))
    assert "corners x1, y1, x2, y2" in finding(diagnose(as_sizes, progress=False), "boxes of another format").sentence
    swapped = [[name, label, y1, x1, y2, x2] for name, label, x1, y1, x2, y2 in rows]
    found = diagnose(table(folder, swapped), progress=False)
    assert "y1, x1, y2, x2" in finding(found, "boxes of another format").sentence
    fractions = [[name, label, x1 / 120, y1 / 90, x2 / 120, y2 / 90] for name, label, x1, y1, x2, y2 in rows]
    found = diagnose(table(folder, fractions), progress=False)
    assert "no number exceeds 1" in finding(found, "boxes of another format").sentence


def test_annotations_for_another_size_are_named(boxed):
    folder, rows = boxed
    images = [{"id": n, "file_name": row[0], "width": 90, "height": 120} for n, row in enumerate(rows)]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (folder / "a.json").write_text(json.dumps(content))
    found = diagnose(folder / "a.json", progress=False)
    assert kinds(found) == {"size mismatch": 20, "class without examples": 1}
    assert finding(found, "size mismatch").instances[0].text == "annotated as 90×120, is 120×90"


def test_data_of_which_nothing_can_be_read_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"need pictures that can be read, got none of 2; .* got 0 bytes"):
        diagnose(tmp_path, progress=False)


def test_the_exit_code_says_clean_faults_or_nothing_read(folders, capsys):
    assert cli.run(["doctor", str(folders)]) == 0
    assert capsys.readouterr().out.endswith("clean: nothing found\n")
    (folders / "empty").mkdir()
    assert cli.run(["doctor", str(folders), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "empty class"
    assert cli.run(["doctor", str(folders / "nowhere")]) == 2
    assert "found nothing there" in capsys.readouterr().err


def test_the_page_shows_findings_and_samples_and_fetches_nothing(boxed, tmp_path, capsys):
    folder, rows = boxed
    rows[0][1] = "<b>&"
    rows.append(["1.png", "a", 30, 10, 20, 40])
    assert cli.run(["doctor", str(table(folder, rows)), "--html", str(tmp_path / "page.html")]) == 1
    page = (tmp_path / "page.html").read_text()
    assert "Inverted box: 1" in page
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page
    assert page.count("data:image/") >= 13
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("row", ["a.png;b.png;cat", ",cat", "a.png,cat,"])
def test_data_of_which_no_row_can_be_read_has_a_page_without_samples(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"path,label\n{row}\n")
    found = diagnose(tmp_path / "a.csv", progress=False)
    assert [one.kind for one in found.faults] == ["unreadable row"]
    assert "need 2 columns with a path" in as_page(found)


def test_the_doctor_has_words_for_every_kind_of_fault_and_note():
    sources = [path.read_text() for path in Path(formats.__file__).parents[1].rglob("*.py")]
    kinds = {
        kind
        for text in sources
        for kind in re.findall(r'(?:[fF]ault|[nN]ote)\(\s*(?:[\w.]+, )?"([a-z0-9 -]+)",', text, re.I)
    }
    assert len(kinds) > 20
    assert kinds - WHAT_TO_DO.keys() == set()


def rows_of(file):
    if file.suffix == ".csv":
        with file.open(newline="") as stream:
            return list(csv.DictReader(stream))
    return pytest.importorskip("pyarrow.parquet").read_table(file).to_pylist()


@pytest.mark.parametrize("name", ["found.csv", "found.parquet"])
def test_the_commands_table_has_every_place_and_not_the_first_few_alone(boxed, name):
    folder, rows = boxed
    for row in rows[:12]:
        row[4] = 500  # far outside of its picture
    table(folder, rows)
    assert cli.run(["doctor", str(folder), "--table", str(folder / name)]) == 1
    found = [row for row in rows_of(folder / name) if row["kind"] == "box outside"]
    assert [Path(row["path"]).name for row in found] == [f"{number}.png" for number in range(12)]
    assert {(row["level"], float(row["x2"])) for row in found} == {("fault", 500)}
    assert all("need a box in 120×90 pixels" in row["text"] for row in found)


@pytest.mark.parametrize("name", ["found.csv", "found.parquet"])
def test_a_table_of_nothing_has_its_columns(boxed, name):
    folder, rows = boxed
    table(folder, rows)
    assert cli.run(["doctor", str(folder), "--table", str(folder / name)]) == 0
    assert rows_of(folder / name) == []
    if name == "found.csv":
        assert (folder / name).read_text().splitlines() == ["level,kind,path,text"]
    else:
        assert pytest.importorskip("pyarrow.parquet").read_table(folder / name).column_names == list(COLUMNS)


def test_of_many_thumbnails_some_at_a_time_are_floats():
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 1024), np.uint8)
    tracemalloc.start()
    found = contrasts(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20  # all of them would be 156 MiB, and twice that while they are computed with
    np.testing.assert_allclose(found[[0, -1]], pixels[[0, -1]].astype(float).std(axis=1))


def test_objects_smaller_than_a_cell_are_told_with_the_size_that_helps(tmp_path):
    write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (600, 600, 3), np.uint8))
    rows = [
        "a.png,10,10,22,22,bird",
        "a.png,40,40,46,46,bird",
        "a.png,100,100,300,300,dog",
        "a.png,300,300,500,560,dog",
    ]
    (tmp_path / "boxes.csv").write_text("path,x1,y1,x2,y2,label\n" + "\n".join(rows) + "\n")
    found = finding(diagnose(tmp_path / "boxes.csv", progress=False), "small objects")
    assert found.count == 2 and found.level == "note"
    assert found.sentence.startswith("(50% of boxes) are under 8 pixels at --size 300")
    assert "--size 512, which leaves 1," in found.sentence
    (tmp_path / "boxes.csv").write_text("path,x1,y1,x2,y2,label\n" + "\n".join(rows[2:]) + "\n")
    assert "small objects" not in kinds(diagnose(tmp_path / "boxes.csv", progress=False))


def tiles(folder, name, *, splits=("train", "val"), columns=4, side=100, step=100, form="{name}_{row}_{column}.png"):
    """Tiles of a photo, alternately in the splits."""
    pixels = read_image(photo(name))
    for at in range(2 * columns):
        row, column = divmod(at, columns)
        place = folder / splits[column % len(splits)] / "scene" / form.format(
            name=name[:4], row=row * step, column=column * step
        )  # fmt: skip
        place.parent.mkdir(parents=True, exist_ok=True)
        write_image(place, pixels[row * step : row * step + side, column * step : column * step + side])


@pytest.mark.parametrize(("side", "step"), [(100, 100), (100, 60)])
def test_tiles_of_one_picture_in_two_splits_are_a_fault(tmp_path, side, step):
    tiles(tmp_path, "astronaut.png", side=side, step=step)
    tiles(tmp_path, "coffee.png", side=side, step=step, splits=("train",))
    crops(tmp_path / "train" / "other", "rocket.jpg", 2)
    crops(tmp_path / "val" / "other", "coins.png", 2)
    found = finding(diagnose(tmp_path, progress=False), "tiles in two splits")
    assert found.count == 1 and found.instances[0].text == "8 tiles of astr in train and validation"
    assert "--group-by" in found.next_step


def test_pictures_that_are_only_named_like_tiles_are_none(tmp_path):
    for at, (name, split) in enumerate((name, split) for split in ("train", "val") for name in PHOTOS):
        place = tmp_path / split / "any" / f"photo_{at // 6}_{at % 6}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        y = 40 * at % 100
        write_image(place, read_image(photo(name))[y : y + 120, y : y + 120])
    assert "tiles in two splits" not in kinds(diagnose(tmp_path, progress=False))


def test_pictures_that_are_stored_turned_are_counted(folders):
    first = folders / "drink" / "coff0.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(first).save(folders / "drink" / "turned.jpg", exif=exif)
    first.unlink()
    found = finding(diagnose(folders, progress=False), "turned picture")
    assert found.count == 1 and found.instances[0].text == "orientation 6"


def test_every_finding_says_what_to_do_next(folders, capsys):
    (folders / "drink" / "empty.png").write_bytes(b"")
    shutil.copy(folders / "drink" / "coff1.png", folders / "person" / "again.png")
    found = diagnose(folders, progress=False)
    assert set(WHAT_TO_DO) <= set(NEXT_STEPS) and len(found.findings) >= 3
    assert cli.run(["doctor", str(folders)]) == 1
    said = capsys.readouterr().out
    page = as_page(found)
    for one in found.findings:
        assert f"next: {one.next_step}" in said and one.next_step.split(":")[0] in page
    assert all(one["next_step"] for one in found.to_dict()["findings"])
