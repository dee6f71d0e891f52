from pathlib import Path

import numpy as np
import pytest

from convolens.data import Box, DataSet, Example, split
from convolens.errors import ArgumentError, DataError
from convolens.media.images import write_image


def data_of(*counts: int) -> DataSet:
    examples = [Example(Path(f"{label}/{n}.png"), (label,)) for label, count in enumerate(counts) for n in range(count)]
    return DataSet(Path("here"), tuple(map(str, range(len(counts)))), tuple(examples), "label")


def labels(data: DataSet) -> list[int]:
    return [example.labels[0] for example in data.examples]


def test_a_split_parts_every_class_in_proportion_and_loses_nothing():
    everything = data_of(10, 50, 5)
    train, validation = split(everything, 0.2, seed=3)
    assert sorted(train.examples + validation.examples, key=everything.examples.index) == list(everything.examples)
    assert np.bincount(labels(validation)).tolist() == [2, 10, 1]


def test_a_split_depends_on_the_seed_and_on_nothing_else():
    everything = data_of(30, 30)
    assert split(everything, 0.3, seed=1) == split(everything, 0.3, seed=1)
    assert split(everything, 0.3, seed=1) != split(everything, 0.3, seed=2)


def test_classes_of_one_size_are_not_all_cut_at_the_same_places():
    _, validation = split(data_of(30, 30), 0.3)
    kept = [{one.path.stem for one in validation.examples if one.labels == (label,)} for label in (0, 1)]
    assert kept[0] != kept[1]


def test_a_new_class_leaves_the_split_of_the_others_as_it_was():
    _, before = split(data_of(30, 30), 0.3)
    _, after = split(data_of(30, 30, 9), 0.3)
    assert before.examples == tuple(example for example in after.examples if example.labels[0] < 2)


def test_every_class_keeps_an_example_to_train_on():
    train, validation = split(data_of(1, 2), 0.9)
    assert labels(train) == [0, 1]
    assert labels(validation) == [1]


def test_pictures_without_objects_and_the_rarest_class_are_split_too():
    box = (0.0, 0.0, 1.0, 1.0)
    kinds = [((0,), 40), ((0, 1), 10), ((), 20)]
    examples = [
        Example(Path(f"{kind}/{n}.png"), kind, tuple(Box(label, box) for label in kind))
        for kind, count in kinds
        for n in range(count)
    ]
    _, validation = split(DataSet(Path("here"), ("many", "rare"), tuple(examples), "boxes"), 0.1)
    assert [sum(example.labels == kind for example in validation.examples) for kind, _ in kinds] == [4, 1, 2]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_that_leaves_nothing_on_one_side_is_refused(fraction):
    with pytest.raises(ArgumentError, match="validation: need a fraction between 0 and 1"):
        split(data_of(3, 3), fraction)


def test_one_picture_of_each_class_cannot_be_split():
    with pytest.raises(DataError, match="here: need at least two pictures of a class to validate on one"):
        split(data_of(1, 1), 0.5)


def parted(**counts: int) -> DataSet:
    examples = [
        Example(Path(f"{part}/{n}.png"), (n % 2,), split=part) for part, count in counts.items() for n in range(count)
    ]
    return DataSet(Path("here"), ("a", "b"), tuple(examples), "label")


def test_the_datas_own_split_is_taken_unless_a_fraction_is_requested():
    train, validation = split(parted(train=20, validation=6, test=4))
    assert (len(train), len(validation)) == (20, 6)
    train, validation = split(parted(train=20, validation=6), 0.1)
    assert (len(train), len(validation)) == (18, 2)


@pytest.mark.parametrize("others", [{}, {"test": 4}])
def test_without_a_split_to_validate_on_a_fraction_is_taken_and_the_test_left_alone(others):
    train, validation = split(parted(train=20, **others))
    assert (len(train), len(validation)) == (16, 4)
    assert {example.split for example in (*train.examples, *validation.examples)} == {"train"}


@pytest.mark.parametrize(("part", "asked"), [("validation", None), ("test", None), ("test", 0.2)])
def test_parts_of_which_none_is_to_train_on_are_refused(part, asked):
    with pytest.raises(DataError, match=f"here: need a split train, got {part}; give validation= other data"):
        split(parted(**{part: 20}), asked)


def test_a_list_keeps_back_what_it_names_and_leaves_the_test_alone(tmp_path):
    (tmp_path / "kept.txt").write_text(f"{Path('train/3.png').resolve()}\n")
    train, validation = split(parted(train=20, test=5), tmp_path / "kept.txt")
    assert {example.split for example in train.examples} == {"train"}
    assert (len(train), [example.path for example in validation.examples]) == (19, [Path("train/3.png")])


def test_a_list_names_what_is_validation(tmp_path):
    examples = tuple(Example(tmp_path / "a" / f"{n}.png", (n % 2,)) for n in range(4))
    data = DataSet(tmp_path, ("even", "odd"), examples, "label")
    (tmp_path / "kept.txt").write_text("a/1.png\n\n" + str(tmp_path / "a" / "2.png") + "\n")
    train, validation = split(data, tmp_path / "kept.txt")
    assert [example.path.stem for example in train.examples] == ["0", "3"]
    assert [example.path.stem for example in validation.examples] == ["1", "2"]
    (tmp_path / "kept.txt").write_text("a/9.png\n")
    with pytest.raises(DataError, match=r"kept\.txt: need paths of pictures in .*, got 'a/9.png'"):
        split(data, tmp_path / "kept.txt")


def test_other_data_has_the_same_numbers_for_its_classes(tmp_path):
    (tmp_path / "odd").mkdir()
    write_image(tmp_path / "odd" / "1.png", np.zeros((2, 2), np.uint8))
    train, validation = split(DataSet(Path("here"), ("even", "odd"), data_of(2, 2).examples, "label"), tmp_path)
    assert (len(train), labels(validation)) == (4, [1])
