"""YOLO data as people have it: each case after a public report about some tool, remade small."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from convolens.data import read_data, read_with_faults
from convolens.data.doctor.diagnosis import diagnose
from convolens.data.yaml_file import MAX_BYTES, read_yaml
from convolens.errors import DataError, FileError, FileNote, FormatError
from convolens.media.images import write_image

LINE = "0 0.5 0.5 0.2 0.5\n"
BOX = (40, 20, 60, 60)  # what it is of 100×80 pixels


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((80, 100), np.uint8))
    return path


def text(path: Path, content: str = LINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def boxes(data) -> list:
    return [[(box.label, tuple(round(one, 6) for one in box.xyxy)) for box in one.boxes] for one in data.examples]


@pytest.fixture
def one(tmp_path):
    """A picture with a box of class 0; the description is left to the test."""
    picture(tmp_path / "images" / "0.png")
    text(tmp_path / "labels" / "0.txt")
    return tmp_path


@pytest.mark.parametrize(
    ("pictures", "texts", "names"),
    [
        ("images", "images", "images/classes.txt"),
        ("images/shop", "images/shop", "images/shop/classes.txt"),
        ("Images", "Labels", "classes.txt"),
        ("IMAGES/train", "labels/train", "classes.txt"),
        ("set/images/a/images", "set/images/a/labels", "classes.txt"),
        ("set/images/a", "set/labels/a", "set/classes.txt"),
        ("some", "some/labels", "classes.txt"),
        ("photos", "labels", "labels/classes.txt"),
        ("set/frames", "set/Labels", "classes.txt"),
        ("images/train", "labels/train", "labels/train/classes.txt"),
        ("images/val", "images/val", "images/val/classes.txt"),
        ("obj", "obj", "obj.names"),
        ("images", "labels", "predefined_classes.txt"),
        ("images/labels", "images/labels", "classes.txt"),
    ],
)
def test_a_pictures_text_is_found_where_programs_put_it(tmp_path, pictures, texts, names):
    for number in range(3):
        picture(tmp_path / pictures / f"{number}.png")
        text(tmp_path / texts / f"{number}.txt")
    file = text(tmp_path / names, "cat\ndog\n")
    assert boxes(read_data(file)) == [[(0, BOX)]] * 3
    if file.parent == tmp_path:
        assert boxes(read_data(tmp_path)) == [[(0, BOX)]] * 3


def test_a_suffix_in_capitals_and_a_picture_named_like_the_description(tmp_path):
    picture(tmp_path / "images" / "A.PNG")
    text(tmp_path / "images" / "A.TXT")
    picture(tmp_path / "images" / "classes.png")
    text(tmp_path / "images" / "classes.txt", "cat\n")
    with pytest.warns(FileNote, match=r"classes\.png: has no text file"):
        assert boxes(read_data(tmp_path / "images")) == [[(0, BOX)], []]


def test_pictures_of_one_set_may_have_their_texts_in_different_places(tmp_path):
    for folder in ("some", "another/images"):
        for number in range(3):
            picture(tmp_path / folder / f"{number}.png")
            text(tmp_path / folder / f"{number}.txt")
    text(tmp_path / "classes.txt", "cat\n")
    assert boxes(read_data(tmp_path)) == [[(0, BOX)]] * 6


def test_no_text_file_is_told_apart_from_an_empty_one(one):
    text(one / "classes.txt", "cat\n")
    picture(one / "images" / "empty.png")
    text(one / "labels" / "empty.txt", " \n")
    read_data(one)  # without a word
    for name in "ab":
        picture(one / "images" / f"{name}.png")
    with pytest.warns(FileNote, match=r"a\.png: has no text file, and is taken to show nothing; one of 2"):
        assert len(read_data(one)) == 4
    (found,) = (each for each in diagnose(one, progress=False).findings if each.kind == "no text file")
    assert (found.level, found.count) == ("note", 2)


def test_data_in_which_no_picture_has_a_text_file_is_refused(tmp_path):
    picture(tmp_path / "images" / "0.png")
    text(tmp_path / "annotation" / "0.txt")
    text(tmp_path / "classes.txt", "cat\n")
    with pytest.raises(DataError, match=r"need text files with boxes .* found none for its 1 pictures"):
        read_data(tmp_path)
    assert [fault.kind for fault in read_with_faults(tmp_path).faults] == ["no annotations"]


@pytest.mark.parametrize(
    ("line", "description", "expected"),
    [
        ("0 0.5 0.5 0.2 0.5 0.45 0.4 0.55 0.6", "kpt_shape: [2, 2]", (0, BOX)),
        ("0 0.5 0.5 0.2 0.5 0.45 0.4 2 0.55 0.6 2", "kpt_shape: [2, 2]", (0, BOX)),
        ("0 0.5 0.5 0.2 0.5 0 0 0 0.9 0.9 1", "kpt_shape: [2, 3]", (0, BOX)),
        ("0 0.5 0.5 0.2 0.5", "kpt_shape: [17, 3]", (0, BOX)),
        ("1.0e+00 5.0E-1 .5 2e-1 0.500000", "", (1, BOX)),
        ("1. 0.5 0.5 0.2 0.5  \r", "", (1, BOX)),
        ("+1 0.5\t0.5 0.2 0.5", "", (1, BOX)),
        ("1 0.5 0.25 0.6 0.5 0.5 0.75 0.4 0.5", "", (1, BOX)),  # a square on its corner
    ],
)
def test_lines_with_key_points_rotated_boxes_and_floats(one, line, description, expected):
    text(one / "labels" / "0.txt", line + "\n")
    text(one / "data.yaml", f"names: [cat, dog]\n{description}\n")
    assert boxes(read_data(one)) == [[expected]]


@pytest.mark.parametrize(
    ("line", "description", "message"),
    [
        ("0 0.5 0.5 0.2 0.5 0.1 0.1", "kpt_shape: [2, 3]", "need a class, four numbers and 2 key points"),
        ("0.5 0.5 0.5 0.2 0.5", "", "need a whole number for the class, got 0.5"),
        ("nan 0.5 0.5 0.2 0.5", "", "need a whole number for the class, got nan"),
        ("0 0.5 0.5 0.2 0.5 0.9", "", "is the fifth an angle or a score"),
        ("-1 0.5 0.5 0.2 0.5", "", "need a class of 0 to 1, got -1"),
    ],
)
def test_a_line_that_says_something_else_is_a_fault(one, line, description, message):
    text(one / "labels" / "0.txt", LINE + line)
    text(one / "data.yaml", f"names: [cat, dog]\n{description}\n")
    (fault,) = read_with_faults(one).faults
    assert "line 2: " in fault.sentence and message in fault.sentence


def test_a_text_file_that_cannot_be_read_is_one_fault(one):
    (one / "labels" / "0.txt").write_bytes(b"\xff\xfe0")
    text(one / "classes.txt", "cat\n")
    (fault,) = read_with_faults(one).faults
    assert fault.kind == "unreadable annotation" and "need YOLO's boxes in UTF-8" in fault.sentence


@pytest.mark.parametrize(
    "names",
    [
        "names:\n  2: bird\n  0: cat\n  1: dog\n",
        "names: {1: dog, 2: bird, 0: cat}\nnc: 3\n",
        "names:\n  '0': cat\n  01: dog\n  2: bird\n",
        "nc: ~\nnames: [cat, dog, bird]\n",
    ],
)
def test_names_are_numbered_by_their_keys(one, names):
    text(one / "labels" / "0.txt", "1 0.5 0.5 0.2 0.5")
    data = read_data(text(one / "data.yaml", names))
    assert data.class_names == ("cat", "dog", "bird")
    assert boxes(data) == [[(1, BOX)]]


def test_numbers_that_have_no_name_are_left_out_of_the_classes(one):
    text(one / "labels" / "0.txt", "3 0.5 0.5 0.2 0.5\n0 0.5 0.5 0.2 0.5")
    found = read_with_faults(text(one / "data.yaml", "names: {3: dog, 1: cat}\nnc: 4\n"))
    assert found.data.class_names == ("cat", "dog")
    assert boxes(found.data) == [[(1, BOX)]]
    assert "line 2: need a class of 1, 3, got 0" in found.faults[0].sentence


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("names: [cat, dog]\nnc: 3\n", "need a name for each class, got 2 names and a count of '3'"),
        ("names: {a: cat}\n", "need names by number from 0, got 'a'"),
        ("names: {-1: cat}\n", "need names by number from 0, got '-1'"),
        ("names: {0: cat, 00: dog}\n", "need names by number from 0, got 'one twice'"),
        ("names: [cat, [dog]]\n", r"need a name for class 1, got \['dog'\]"),
        ("names: [cat, cat]\n", "need a name of its own for each class, got 'cat' for 0, 1"),
        ("names: cat\n", "need names: a list of the classes, got 'cat'"),
        ("nc: 2\n", "need names: a list of the classes, got 'none'"),
        ("names: [cat]\nkpt_shape: many\n", r"need kpt_shape: \[points, 2 or 3\], got 'many'"),
        ("names: [cat]\ntrain: {a: b}\n", "need train: a folder, a list of pictures or several"),
        ("names: [cat]\nnames: [dog]\n", "line 2: need each key once, got 'names' again"),
        ("names: x\n  0: cat\n", "line 2: mapping values are not allowed"),
        ("names: &all [cat]\nother: *all\n", r"line 2: need YAML without aliases, got \*all"),
        ("names: [cat]\n? [a]\n: b\n", "need text as a key, got a sequence"),
        ("- cat\n- dog\n", "need YAML with a mapping `key: value`, got sequence"),
        ("", "need YAML with a mapping `key: value`, got nothing"),
        ("names: [cat\n", "need YAML, got line 2: did not find expected"),
        ("names: [cat]\n---\nnames: [dog]\n", "need YAML, got line 2: but found another document"),
        ("names: [cat\0]\n", "need YAML, got .*control characters"),
        ("names: " + "[" * 100 + "]" * 100, "line 1: need YAML of at most 20 levels"),
    ],
)
def test_a_description_that_contradicts_itself_is_named(one, content, message):
    file = text(one / "data.yaml", content)
    with pytest.raises(FormatError, match=f"data.yaml: .*{message}"):
        read_data(file)


@pytest.mark.parametrize(
    "content",
    [
        "# my data\ntrain: images\n\nnc: 3\nnames: [ 'person', 'bicycle',\n         'car' ]\n",
        "path: ./  # root\ntest:\nnames:\n  0: person\n\n# fetch\ndownload: |\n  import os\n  for a in ['b']:\n    a\n",
        "names: ['bread, white', \"dog's bowl\", cat]\n",
        '"names":\n- \'a: b\'\n- "c#d" # ready\n- hot dog\n- 12\n- yes\n- null\n',
        "names: >-\n  cat\ntrain: 1_000\n",
        '{"names": ["caf\\u00e9", "\\x41"], "nc": 2}',
        "names:\n  - first\n  - second\n  - 'it''s'\n...\n",
    ],
)
def test_yaml_is_read_as_pyyaml_reads_it(tmp_path, content):
    file = text(tmp_path / "a.yaml", content)
    assert read_yaml(file) == yaml.load(content, Loader=yaml.BaseLoader)


def test_a_yaml_file_has_a_limit(tmp_path):
    file = text(tmp_path / "data.yaml", "names: [cat]\n#" + "x" * MAX_BYTES)
    with pytest.raises(FormatError, match="need YAML of at most 4,194,304 bytes"):
        read_data(file)


@pytest.mark.parametrize("test", ["../test/images", "test/images", "/set/test/images", "test.txt"])
def test_a_split_that_is_named_and_absent_is_a_word_and_the_others_are_read(tmp_path, test):
    for split in ("train", "valid"):
        picture(tmp_path / split / "images" / "0.png")
        text(tmp_path / split / "labels" / "0.txt")
    picture(tmp_path / "images" / "other.png")  # what an absent test/images must not become
    file = text(
        tmp_path / "data.yaml", f"train: ../train/images\nval: ../valid/images\ntest: {test}\nnames: ['cat', 'dog']\n"
    )
    with pytest.warns(FileNote, match=f"data.yaml: names the test pictures '{test}', found nothing at"):
        data = read_data(file)
    assert data.splits == ("train", "validation") and len(data) == 2
    assert [found.kind for found in diagnose(file, progress=False).findings if found.kind.startswith("absent")]
    file.write_text(f"test: {test}\nnames: [cat]\n")
    with pytest.raises(FileError, match="need one of the splits that it names"):
        read_data(file)


def test_a_split_without_pictures_is_a_word_too(one):
    (one / "none").mkdir()
    text(one / "data.yaml", "train: images\nval: none\nnames: [cat]\n")
    with pytest.warns(FileNote, match="names the validation pictures .*none, found none there"):
        assert read_data(one).splits == ("train",)


@pytest.mark.parametrize(
    "content",
    [
        "path: .\ntrain: set/images",
        "path: /content/elsewhere\ntrain: set/images",
        "path: ../datasets/set\ntrain: images",
        "path: 'C:\\Users\\me\\set'\ntrain: 'images'",
        "train: set\\images",
        "train: ./set/images/",
        "train: /home/me/set/images",
        "train: shop-1/set/images",
        "train: [set/images]",
        "path: set\ntrain: list.txt",
        "train: set/list.txt",
        "path: set\ntrain: images\nval: ''\ntest: ~",
    ],
)
def test_paths_are_found_whatever_machine_wrote_them(tmp_path, content):
    picture(tmp_path / "set" / "images" / "0.png")
    text(tmp_path / "set" / "labels" / "0.txt")
    text(tmp_path / "set" / "list.txt", "/home/me/set/images/0.png\n\n")
    file = text(tmp_path / "data.yaml", content + "\nnames: [cat]\n")
    assert [(each.split, each.path.exists(), len(each.boxes)) for each in read_data(file).examples] == [
        ("train", True, 1)
    ]


@pytest.mark.parametrize(
    ("listed", "pictures"),
    [
        ("data/obj_train_data/{}.png", "obj_train_data"),  # CVAT 1.1
        ("obj_train_data/{}.png", "obj_train_data"),
        ("build\\darknet\\x64\\data\\obj\\{}.png", "obj"),  # Darknet on Windows
    ],
)
def test_cvats_and_darknets_lists_are_read(tmp_path, listed, pictures):
    for number in range(2):
        picture(tmp_path / pictures / f"{number}.png")
        text(tmp_path / pictures / f"{number}.txt", "1 0.5 0.5 0.2 0.5\n")
    text(tmp_path / "train.txt", "".join(listed.format(number) + "\n" for number in range(2)))
    text(tmp_path / "obj.names", "cat\ndog\n\n")
    file = text(
        tmp_path / "obj.data",
        "classes = 2\n# comment\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names\nbackup = b/\n",
    )
    for source in (tmp_path, file):
        with pytest.warns(FileNote, match="names the validation pictures"):
            data = read_data(source)
        assert data.class_names == ("cat", "dog")
        assert boxes(data) == [[(1, BOX)]] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("classes = 2\ntrain = train.txt\n", "need names, a file with a class a line, found none"),
        ("names = gone.names\n", "need names, a file with a class a line, found no gone.names"),
        ("classes = 5\nnames = obj.names\n", "got 2 names and a count of '5'"),
        ("classes: 2\n", "line 1: need `key = value`, got 'classes: 2'"),
    ],
)
def test_a_darknet_description_that_lacks_something_is_named(one, content, message):
    text(one / "obj.names", "cat\ndog\n")
    with pytest.raises(FormatError, match=message):
        read_data(text(one / "obj.data", content))


def test_an_empty_line_among_names_would_move_the_numbers(one):
    with pytest.raises(FormatError, match="need a name for class 1, got 'none'"):
        read_data(text(one / "classes.txt", "cat\n\ndog\n"))


def test_a_description_by_another_name_is_found_unless_there_are_two(one):
    text(one / "coco8.yaml", "train: images\nnames: [cat]\n")
    text(one / "notes.yaml", "author: me\n")
    assert boxes(read_data(one)) == [[(0, BOX)]]
    text(one / "mine.yml", "nc: 1\nnames: [cat]\n")
    with pytest.raises(DataError, match=r"need one description, found coco8\.yaml, mine\.yml"):
        read_data(one)


def test_names_of_pictures_that_no_file_system_has_are_skipped(one):
    text(one / "list.txt", "images/0.png\n" + "x" * 5000 + ".png\n")
    data = read_data(text(one / "data.yaml", "train: list.txt\nnames: [cat]\n"))
    assert len(data) == 1
    assert "cannot look at it" in data.skipped[0].reason


def test_folders_are_listed_once(tmp_path, monkeypatch):
    for number in range(20):
        picture(tmp_path / "images" / f"{number}.png")
        text(tmp_path / "labels" / f"{number}.txt")
    text(tmp_path / "classes.txt", "cat\n")
    listed = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(str(folder)) or real(folder))
    assert len(read_data(tmp_path)) == 20
    assert listed.count(str(tmp_path / "labels")) == 1
