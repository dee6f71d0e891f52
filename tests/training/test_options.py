"""`cl.train` names every option once; what it says of them is what the settings and the tasks say."""

from dataclasses import fields
from inspect import signature
from typing import get_args, get_type_hints

import pytest

import convolens as cl
from convolens.errors import ArgumentError
from convolens.training.request import Request
from convolens.training.settings import Settings
from convolens.training.train import TRAINERS, options, train, trainer_of

OPTIONS = options()
CHOSEN = {"batch", "lr", "weight_decay", "layer_decay"}  # by what learns; None in `cl.train`


def members(annotation):
    return set(get_args(annotation)) or {annotation}


def test_every_setting_is_an_option_with_the_same_type_and_default():
    settings = get_type_hints(Settings)
    for field in fields(Settings):
        assert OPTIONS[field.name].default == (None if field.name in CHOSEN else field.default), field.name
        assert members(OPTIONS[field.name].annotation) - {type(None)} == members(settings[field.name]) - {type(None)}, (
            field.name
        )


@pytest.mark.parametrize("task", TRAINERS)
def test_every_option_of_a_task_is_one_of_train_with_the_same_default_or_none_for_the_tasks_own(task):
    for name, own in signature(trainer_of(task)).parameters.items():
        if own.kind is own.KEYWORD_ONLY:
            assert OPTIONS[name].default in (own.default, None), name


def test_there_is_no_option_that_no_task_has():
    known = {field.name for kind in (Settings, Request) for field in fields(kind)}
    known |= {name for task in TRAINERS for name in signature(trainer_of(task)).parameters}
    assert set(OPTIONS) <= known


def test_help_documents_every_option():
    for name in OPTIONS:
        assert f"\n        {name}: " in train.__doc__, name


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("detect", {"negativs": 2}, "negativs: is no option of train detect; did you mean 'negatives'?"),
        ("detect", {"mixup": 0.2}, "mixup: is no option of train detect"),
        ("classify", {"fit_boxes": True}, "fit_boxes: is no option of train classify"),
        ("localize", {"size": (32, 64)}, r"size: need one side in pixels to localize, got \(32, 64\)"),
    ],
)
def test_an_option_of_nothing_or_of_another_task_is_refused_before_anything_is_read(task, options, message, tmp_path):
    with pytest.raises(ArgumentError, match=message.replace("?", r"\?")):
        cl.train(task, tmp_path, out="nowhere", **options)  # an empty folder, which reading would refuse


def test_without_a_trunk_a_task_gets_the_recommended_one_and_what_was_not_set_is_the_tasks_to_choose(
    monkeypatch, tmp_path
):
    got = {}
    monkeypatch.setattr("convolens.training.classify.train_classifier", lambda request, *, flip=True: got.update(
        trunk=request.trunk, weights=request.weights, training=request.training, flip=flip))  # fmt: skip
    cl.train("classify", tmp_path, out="run", epochs=3)
    assert got == {"trunk": "vgg16", "weights": "hed", "training": {"epochs": 3}, "flip": True}
    cl.train("classify", tmp_path, out="run", weights="mine.pth", flip=False)
    assert got == {"trunk": "vgg16", "weights": "mine.pth", "training": {}, "flip": False}
    cl.train("classify", tmp_path, out="run", trunk="resnet18")
    assert got == {"trunk": "resnet18", "weights": None, "training": {}, "flip": True}
