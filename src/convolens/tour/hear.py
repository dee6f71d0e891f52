"""Section: sounds heard in a recording, named, and explained: a network that sees time and pitch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from convolens.effects.sounds.hearing import Hearing
from convolens.media.audio import read_audio
from convolens.pages.figures import Marked, named, numbers, picture, row, sound
from convolens.tour.garden import SOUNDS, write_recording, write_sounds
from convolens.tour.section import Section

_EACH, _ROWS_SHOWN = 40, 4  # sounds of each class; and pixels that a band is high on the page


def _prepare() -> None:
    write_sounds(Path("garden/train"), _EACH, seed=0)
    write_sounds(Path("garden/examples"), 1, seed=1)
    write_recording(Path("garden/recording.wav"), seed=2)


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    samples, rate = read_audio("garden/recording.wav")
    hearing, metrics = made["model"].preprocessing.sound, made["metrics"]
    levels = hearing.picture(samples, rate)
    marks = [
        Marked((_column(one.start, hearing), 1, _column(one.end, hearing), hearing.bands * _ROWS_SHOWN - 1), one.label)
        for one in made["found"].events
    ]
    return [
        sound(samples, rate, named("The recording", ", twelve seconds.")),
        picture(
            np.repeat(levels, _ROWS_SHOWN, axis=0),
            named("What the network sees", "of it, from 50 to 7,600 Hz, and what it heard."),
            describe="A spectrogram, pitch upwards, with boxes around what was named", marks=marks,
        ),
        row(*(
            picture(why.drawn(), named(f"A {name}", f": {why.label}, says the network."), describe="A spectrogram with "
                    "warm colors where it spoke for that")
            for name, why in zip(SOUNDS, made["reasons"], strict=True)
        )),
        numbers([
            (f"{metrics['event_recall']:.0%}", f"of the {metrics['count']} sounds heard, and named, within 50 ms"),
            (f"{metrics['event_precision']:.0%}", "of what it named was there"),
        ]),
    ]  # fmt: skip


def _column(seconds: float, hearing: Hearing) -> int:
    return round(seconds * hearing.rate / hearing.hop)


SECTION = Section(
    name="hear",
    title="What was that, and when?",
    prose=f"""
A spectrogram is a bank of filters, one for each pitch, convolved with a sound: a picture, time from left to right and
pitch from below to above. What looks at pictures hears.

This network began with random weights when this page was made, and learned from {_EACH} sounds each of
{len(SOUNDS)} kinds, no two of them alike. In the recording are others, in wind. It is gone through once, as one long
picture: a sound begins where the level rises, and the window around it says what it is.

And why? In warm colors, when and at which pitch each of {len(SOUNDS)} other sounds spoke for its name.
""",
    commands=(
        "convolens train classify garden/train --trunk resnet18 --width 0.25 --tap layer3.1 --batch 16 --lr 0.003 "
        "--epochs 24 --seconds 0.8 --out garden/run --overwrite",
        "convolens predict garden/run garden/recording.wav --out garden/heard",
        "convolens evaluate garden/run garden/recording.csv",
        "convolens explain garden/run garden/examples --out garden/reasons",
    ),
    python="""\
from pathlib import Path
import convolens as cl

run = cl.train(
    "classify", "garden/train", out="garden/run", overwrite=True,
    trunk="resnet18", width=0.25, taps="layer3.1",
    batch=16, lr=3e-3, epochs=24, seconds=0.8,
)
model = run.load()
found = cl.listen(model, "garden/recording.wav")
print(found)

metrics = cl.evaluate(model, "garden/recording.csv")
reasons = cl.explain(model, sorted(Path("garden/examples").glob("*/*.wav")))
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=30,
)
