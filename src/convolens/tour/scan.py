"""Section: the same classifier slid over a picture, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup

from convolens.features.scan import draw_scan
from convolens.media.images import read_image, write_image
from convolens.pages.figures import named, numbers, picture, row
from convolens.tour.section import Section
from convolens.tour.surfaces import SURFACES, mosaic
from convolens.tour.textures import MODEL, TRAIN, write_training_crops

_WINDOW = 64
_EVERY = 4  # cells between the separate windows that are compared: all of them would take a minute


def _prepare() -> None:
    write_image("mosaic.png", mosaic()[0])
    if not Path(MODEL).exists():  # the section that trains it was not requested
        write_training_crops()
        exec(TRAIN, {})


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    image, scanner, scores = read_image("mosaic.png"), made["scanner"], made["scores"]
    likely = scores.softmax(dim=1)[0].numpy()
    agreeing, compared = _agreement(made)
    return [
        row(
            *(picture(draw_scan(image, likely[number], window=_WINDOW, stride=scanner.stride),
                      named(f"{name.capitalize()}", f"by windows of {_WINDOW} pixels."),
                      describe=f"Warm colours over the part of the mosaic that shows {name}")
              for number, name in enumerate(SURFACES)),
        ),
        numbers({
            f"{likely.shape[1]} × {likely.shape[2]}": "windows scored in one pass",
            f"{agreeing:.0%}": f"of {compared} windows get the same class as a separate crop",
        }),
    ]  # fmt: skip


def _agreement(made: Mapping[str, Any]) -> tuple[float, int]:
    """How often a cell of the map and its window as a separate crop have one class: a crop has zeros around it."""
    scanner, batch, model = made["scanner"], made["batch"], made["model"]
    cells = made["scores"][:, :, ::_EVERY, ::_EVERY].argmax(1).flatten()
    step = _EVERY * scanner.stride
    windows = batch.unfold(2, _WINDOW, step).unfold(3, _WINDOW, step).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    with torch.inference_mode():
        alone = torch.cat([model(part).argmax(1) for part in windows.split(16)])
    return float(np.mean((cells == alone).numpy())), len(alone)


SECTION = Section(
    name="scan",
    title="Slide it over the picture",
    prose="""
A dense layer on a small picture is a convolution whose kernel fits in one place only. On a larger picture it fits in
more: the classifier for crops becomes a map of scores, one for each window, and what neighbouring windows have in
common is computed once.

As a separate crop a window has zeros around it; in the picture it has neighbours. That changes the features near its
border, and so the class of a few windows.
""",
    commands=(f"convolens scan {MODEL} mosaic.png gravel.png --class gravel --window {_WINDOW}",),
    python=f"""\
import convolens as cl

model = cl.load("{MODEL}").requires_grad_(False)
scanner = cl.convolutionalize(model, {_WINDOW})
batch = scanner.preprocess("mosaic.png")
scores = scanner(batch)
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=20,
)
