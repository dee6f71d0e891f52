"""Options that no one should give, by kind: truth values, sizes, taps, functions, names of data."""

import inspect
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.data import DataSet, read_data
from convolens.data.conversion.converting import write_data
from convolens.data.formats import FORMATS
from convolens.errors import ArgumentError, ConvolensError, DataError, DeviceError, DtypeError, FileError
from convolens.evaluation.classify import weights_of
from convolens.media.pixels import as_pictures, as_pixels
from tests.fuzz import calls, networks

pytestmark = pytest.mark.bad_input

EMPTY, SQUARE = np.zeros(0), np.zeros((2, 2))
META = torch.zeros(2, device="meta")
RIGHT = {name: right for name, (_, right) in calls.CALLS.items()} | calls.SLOW


def flags():
    for name in RIGHT:
        for one in inspect.signature(calls._function(name)).parameters.values():
            if str(one.annotation) in ("bool", "<class 'bool'>"):
                yield name, one.name


@pytest.mark.parametrize("odd", ["no", SQUARE], ids=["text", "array"])
@pytest.mark.parametrize(("name", "flag"), list(flags()))
def test_a_truth_value_is_asked_for_by_name(name, flag, odd):
    arguments = RIGHT[name](Random(0)) | {flag: odd}
    with pytest.raises(ArgumentError, match=flag):
        calls._function(name)(**arguments)


def test_there_are_truth_values_to_ask_for():
    assert {("explain", "counterfactual"), ("plan", "measure"), ("train", "progress")} <= set(flags())


@pytest.mark.parametrize(
    ("option", "odd", "sentence"),
    [
        ("tap_weights", [1, 2], "tap_weights: need a weight for each tap by its name"),
        ("mix", np.array(0.5), "mix: need numbers in a list"),
        ("mix", ["a"], "one of mix: need a number of at least 0, got 'a'"),
        ("style_weight", {}, "style_weight: need a number of at least 0"),
        ("size", 1 << 63, "size: need a whole number"),
        ("size", [np.inf], "size: need a whole number"),
        ("size", np.datetime64(0, "s"), "size: need a whole number"),
        ("size", SQUARE, "size: need a whole number"),
        ("size", (1, 2, 3), "size: need the longer side, or height and width, got 3"),
        ("on_step", SQUARE, "on_step: need a function that takes a Step"),
        ("resume", True, "resume: need the state of an earlier run"),
        ("trunk", {"a": 1}, "trunk: need one of"),
        ("content_taps", EMPTY, "content_taps: need at least one"),
        ("keep_colors", SQUARE, "keep_colors: need a bool"),
    ],
)
def test_options_of_a_restyling_are_asked_for_by_name(option, odd, sentence):
    arguments = RIGHT["stylize"](Random(0)) | {"trunk": networks.network().trunk} | {option: odd}
    with pytest.raises(ArgumentError, match=sentence):
        cl.stylize(**arguments)


@pytest.mark.parametrize("option", ["pooling", "padding"])
def test_a_word_for_a_trunk_by_name_is_one_that_there_is(option):
    arguments = RIGHT["stylize"](Random(0)) | {"trunk": "resnet18", option: []}
    with pytest.raises(ArgumentError, match=f"{option}: need one of"):
        cl.stylize(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: as_pixels(META), DeviceError, "picture: need numbers, got one on the device meta"),
        (lambda: as_pixels(torch.eye(2).to_sparse()), DtypeError, "picture: need a dense tensor"),
        (
            lambda: cl.convolve(torch.zeros(9), np.ones(2, np.longdouble)),
            DtypeError,
            "dtype: need at most float64 or complex128",
        ),
        (lambda: cl.layers.Conv2d(4, 4, 3, groups=[1, 2]), ArgumentError, "groups: need a whole number"),
        (lambda: cl.evaluate(networks.network(), "x" * 5000, progress=False), FileError, "cannot look at it"),
        (lambda: cl.convert("x" * 5000, "out", to="csv", progress=False), FileError, "cannot look at it"),
        (lambda: cl.plan(np.zeros((3, 6, 7)), cl.layers.Conv2d(3, 4, 3), EMPTY), ArgumentError, "layer alone"),
    ],
)
def test_it_is_refused_in_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize("finetune", ["all", "head"])
def test_the_side_of_pictures_to_train_on_is_a_whole_number(tmp_path, finetune):
    networks.stage_classes(tmp_path)
    for odd in (np.datetime64(0, "s"), "32", 0):
        with pytest.raises(ArgumentError, match="size: need a whole number of at least 1"):
            cl.train("classify", tmp_path / "data", trunk="resnet18", width=1 / 16, stem="small", size=odd,
                     finetune=finetune, out=tmp_path / "run", device="cpu", progress=False)  # fmt: skip


def test_a_view_of_memory_is_an_array():
    pictures, many = as_pictures(memoryview(np.zeros((2, 4, 5, 3), np.uint8)))
    assert many and [as_pixels(one).shape for one in pictures] == [(4, 5, 3)] * 2


def test_echoes_are_looked_for_in_what_there_is_however_long_they_may_be():
    given = RIGHT["find_echoes"](Random(0))
    longest = cl.find_echoes(**given | {"longest": 1e308})
    assert longest.delays[0] == cl.find_echoes(**given).delays[0]
    with pytest.raises(ConvolensError, match="samples: need more than"):
        cl.find_echoes(**given | {"shortest": 1e300, "longest": 1e308})


def test_the_split_is_a_name(tmp_path):
    networks.stage_classes(tmp_path)
    with pytest.raises(ArgumentError, match="split: need a name"):
        cl.evaluate(networks.network(), tmp_path / "data", split=SQUARE, progress=False)


def test_data_without_examples_is_refused_by_what_writes_it(tmp_path):
    networks.stage_classes(tmp_path)
    nothing = replace(read_data(tmp_path / "data"), examples=())
    form = next(one for one in FORMATS if one.name == "csv")
    with pytest.raises(DataError, match=r"need pictures that can be read, got none of 0$"):
        write_data(nothing, tmp_path / "out", form, link=False, progress=False)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (iter([1, 2]), "need 'balanced' or a number for each class, as a dict, got <list_iterator"),
        ([1, 2], r"need 'balanced' or a number for each class, as a dict, got \[1, 2\]"),
        ({"a": "x"}, "need a finite number of at least 0 for 'a', got 'x'"),
        ({"a": SQUARE}, "need a finite number of at least 0 for 'a', got"),
        ({"a": np.inf}, "need a finite number of at least 0 for 'a', got inf"),
        ({1: 1.0}, "need one of a, b, got 1"),
    ],
)
def test_weights_of_classes_are_numbers_by_name(odd, message):
    data = DataSet(root=Path(), class_names=("a", "b"), examples=(), kind="label")
    assert weights_of({"b": torch.tensor(2.0)}, data).tolist() == [1.0, 2.0]
    with pytest.raises(ArgumentError, match=f"class_weights: {message}"):
        weights_of(odd, data)
