"""The command line has the options of Python's calls, with the same defaults."""

from dataclasses import fields
from inspect import signature

import numpy as np
import pytest
import typer

import convolens as cl
from convolens import cli
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.models import Classifier, Detector, Inspector, Localizer
from convolens.training.request import Request
from convolens.training.settings import Settings
from convolens.training.train import STEPLESS, TRAINERS, train, trainer_of

# What Python calls otherwise than the command line.
WORDS = {"taps": "tap", "delays": "delay", "weights": "weight", "content_taps": "content_tap", "init": "start",
         "style_taps": "style_tap", "masks": "mask"}  # fmt: skip
FROM_THE_FILES = {"samples", "impulse", "rate", "impulse_rate", "image", "images", "model", "content", "style", "data"}
ONLY_PYTHONS = {
    "self": "the model",
    "progress": "a terminal shows it",
    "on_step": "a function",
    "order": "a derivative is no picture",
    "mask of canny": "a picture of another kind for each",
    "on_epoch": "a function",
    "tap_weights": "a mapping",
    "batch of explain": "the command holds one file at a time",
    "batch of Detector.predict": "the command's is every model's",
}
# Where the command's default stands for the same in another form.
OTHER_FORM = {
    "method of explain": None,  # --method is given once for each
    "resume of stylize": False,  # the state is in a file
    "threshold of Localizer.predict": None,  # the model's own, whichever it is
    "threshold of Detector.predict": None,
    "threshold of Inspector.predict": None,
    "nms_iou of Detector.predict": None,
    "top_k of Detector.predict": None,
    "max_detections of Detector.predict": None,
}

CALLS = [
    ("echo", cl.echo),
    ("reverb", cl.reverb),
    ("blur", cl.blur),
    ("sharpen", cl.sharpen),
    ("edges", edge_picture),
    ("edges", cl.canny),
    ("predict", Classifier.predict),
    ("predict", Localizer.predict),
    ("predict", Detector.predict),
    ("predict", Inspector.predict),
    ("evaluate", cl.evaluate),
    ("convert", cl.convert),
    ("explain", cl.explain),
    ("stylize", cl.stylize),
    *((f"train {task}", train) for task in TRAINERS),
]


def options_of(words):
    command = typer.main.get_command(cli.app)
    for word in words.split():
        command = command.commands[word]
    return {parameter.name: parameter.default for parameter in command.params}


def taken_by(task):
    """The options of `cl.train` that a task does not refuse."""
    shared = {field.name for kind in (Request, Settings) for field in fields(kind)}
    shared &= {"data", *STEPLESS.get(task, shared)}
    return shared.union(signature(trainer_of(task)).parameters) & set(signature(train).parameters)


def options_to_set(words, call):
    """Of `cl.train`, what the task takes; of another call, everything."""
    found = dict(signature(call).parameters)
    if call is train:
        taken = taken_by(words.split()[1])
        found = {name: one for name, one in found.items() if name in taken}
    left_out = FROM_THE_FILES | set(ONLY_PYTHONS)
    return {
        name: None if one.default is one.empty else one.default
        for name, one in found.items()
        if not {name, f"{name} of {call.__qualname__}"} & left_out
    }


@pytest.mark.parametrize(("words", "call"), CALLS, ids=[f"{words}: {call.__qualname__}" for words, call in CALLS])
def test_a_command_has_every_option_of_the_call_with_its_default(words, call):
    there = options_of(words)
    for name, default in options_to_set(words, call).items():
        word = name if name in there else WORDS.get(name, name)
        assert word in there, f"{words} has no --{word.replace('_', '-')}"
        assert there[word] == OTHER_FORM.get(f"{name} of {call.__qualname__}", default), f"{words} --{word}"


def test_an_option_that_is_given_reaches_the_call(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    cl.write_image(tmp_path / "photo.png", photo)
    for words, expected in (
        ("blur --sigma 2 --boundary wrap --truncate 3", cl.blur(photo, 2, boundary="wrap", truncate=3)),
        ("blur --sigma 9 --tolerance 0.01", cl.blur(photo, 9, tolerance=0.01)),
        ("sharpen --boundary edge", cl.sharpen(photo, boundary="edge")),
        ("edges --boundary constant", edge_picture(photo, boundary="constant")),
    ):
        command, *options = words.split()
        assert cli.run([command, str(tmp_path / "photo.png"), str(tmp_path / "out.png"), *options]) == 0
        np.testing.assert_array_equal(cl.read_image(tmp_path / "out.png"), expected)


@pytest.mark.parametrize("task", TRAINERS)
def test_a_task_has_no_option_that_its_training_refuses(task):
    named = {"tap" if name == "taps" else name for name in taken_by(task)}
    assert set(options_of(f"train {task}")) - {"help", "memory", "quiet"} == named - set(ONLY_PYTHONS)


@pytest.mark.parametrize("task", TRAINERS)
def test_help_says_what_concerns_the_task_alone(task, capsys):
    assert cli.run(["train", task, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    size = {
        "classify": "shorter side, or for head",
        "localize": "shorter side.",
        "detect": "Default: 300.",
        "unusual": "at most 256.",
    }[task]
    assert size in said and "None" not in said and "`" not in said
