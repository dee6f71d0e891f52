"""Section: a classifier of surfaces, trained on one part of three photos and tested on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from convolens.media.images import read_image
from convolens.pages.figures import confusion, numbers, row, sheet
from convolens.tour.section import Section
from convolens.tour.surfaces import SURFACES, write_crops

MODEL = "surfaces/run/best.safetensors"
_TRAINED_ON = {64: 50, 32: 200}  # size of a crop in pixels, and how many of each surface
_TESTED_ON = {64: 80, 32: 150}

TRAIN = """\
import convolens as cl

run = cl.train(
    "classify", "surfaces/train", out="surfaces/run", overwrite=True,
    trunk="vgg16", weights="hed", taps="conv4_3",
)
"""


def write_training_crops() -> None:
    """`surfaces/train`: crops of both sizes from the training part of the photos."""
    for size, count in _TRAINED_ON.items():
        write_crops("surfaces/train", size, count, test=False)


def _prepare() -> None:
    write_training_crops()
    for size, count in _TESTED_ON.items():
        write_crops(f"surfaces/test{size}", size, count, test=True)


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    large, small = made["large"], made["small"]
    crops = [
        read_image(Path(f"surfaces/test{size}", name, f"{size}-000.png")) for size in (64, 32) for name in SURFACES
    ]
    return [
        sheet(crops, "What it has to classify: crops of 64 pixels a side, and of 32.",
              describe="Small grey crops of brick, grass and gravel", columns=6),
        numbers({
            f"{large['top1']:.1%}": f"of {large['count']} test crops of 64 pixels classified correctly",
            f"{small['top1']:.1%}": f"of {small['count']} test crops of 32 pixels",
        }),
        row(
            confusion(np.array(large["confusion"]), SURFACES, "Crops of 64 pixels."),
            confusion(np.array(small["confusion"]), SURFACES, "Crops of 32 pixels, a quarter of the area to go by."),
        ),
    ]  # fmt: skip


SECTION = Section(
    name="textures",
    title="What is it? Brick, grass or gravel",
    prose=f"""
A tap's features, averaged over a picture, are a fingerprint of what the picture is made of. To classify surfaces, one
more layer is enough: for every class a weighted sum of the fingerprint, with weights learned from examples.

The examples are {sum(_TRAINED_ON.values())} crops each from the left part of three photos. It is tested on crops from
the right part, and no pixel is in both. The trunk is the one above: it was trained to find outlines, without a class
like gravel.
""",
    commands=(
        "convolens train classify surfaces/train --trunk vgg16 --weights hed --tap conv4_3 --out surfaces/run "
        "--overwrite",
        f"convolens evaluate {MODEL} surfaces/test64",
        f"convolens predict {MODEL} surfaces/test32/gravel/32-000.png",
    ),
    python=TRAIN
    + """\
model = cl.load(run.best)
large = cl.evaluate(model, "surfaces/test64")
small = cl.evaluate(model, "surfaces/test32")
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=60,
)
