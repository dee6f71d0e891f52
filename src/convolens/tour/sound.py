"""Section: a tune, its echo, and the round it makes with itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convolens.media.audio import write_audio
from convolens.pages.figures import sound
from convolens.tour.melody import melody
from convolens.tour.section import Section

_RATE = 44100


def _prepare() -> None:
    write_audio(Path("melody.wav"), melody(_RATE), _RATE)


def _show(made: Mapping[str, Any]) -> Sequence[str]:
    axes = len(made["canon"]), float(np.abs(made["canon"]).max())
    captions = {
        "samples": "<b>The tune</b>, on plucked strings.",
        "echoed": "<b>With an echo</b> after 0.3 s and a fainter one after 0.6 s.",
        "canon": "<b>As a round</b> of three voices: the same operation, with later and equal taps.",
    }
    return [sound(made[name], _RATE, caption, axes=axes) for name, caption in captions.items()]


SECTION = Section(
    name="sound",
    title="A sound, and what it leaves behind",
    prose="""
Clap in a stairwell and you hear the clap again, later and weaker. Write down when it returns and how strong, and
you have a <em>kernel</em>: a few numbers. An echo is the convolution of a sound with them. Each moment is revised
by the moments that came before it.

Wait two bars instead of a third of a second, keep the strength, and the echo joins in as a second voice. A round is
a tune convolved with three claps.

The tune itself is made the same way. Each string is a burst of noise sent round a loop, and every time round each
point is averaged with its neighbours, until noise has become a tone.
""",
    commands=(
        "convolens echo melody.wav echoed.wav --delay 0.3 --weight 0.5 --delay 0.6 --weight 0.25",
        "convolens echo melody.wav canon.wav --delay 3.2 --weight 1 --delay 6.4 --weight 1",
    ),
    python="""\
import convolens as cl

samples, rate = cl.read_audio("melody.wav")
echoed = cl.echo(samples, rate, delays=[0.3, 0.6], weights=[0.5, 0.25])
canon = cl.echo(samples, rate, delays=[3.2, 6.4], weights=[1, 1])
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=10,
)
