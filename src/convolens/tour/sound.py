"""Section: a tune, its echo, the round it makes with itself, a room for it, and an echo found and taken out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.effects.sounds.room_response import room_response
from convolens.media.audio import write_audio
from convolens.pages.figures import named, sound
from convolens.tour.melody import melody
from convolens.tour.section import Section

_RATE = 44100


def _prepare() -> None:
    write_audio(Path("melody.wav"), melody(_RATE), _RATE)
    write_audio(Path("church.wav"), room_response(_RATE, seconds=2.5), _RATE)


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    found = made["found"]
    axes = len(made["canon"]), float(np.abs(made["canon"]).max())
    taken_out = " and ".join(f"after {d:.4g} s at {w:.3f}" for d, w in zip(*found, strict=True))
    captions = {
        "samples": named("The tune", ", on plucked strings."),
        "echoed": named("With an echo", "after 0.3 s and a fainter one after 0.6 s."),
        "canon": named("As a round", "of three voices: the same operation, with later and equally strong echoes."),
        "church": named("In a church", ", which is noise that dies away in two and a half seconds."),
        "cleaned": named(
            "The echo taken out again",
            f": found {taken_out}; what is left of it is {-_decibels(made):.0f} dB quieter than it was.",
        ),
    }
    return [sound(_mono(made[name]), _RATE, caption, axes=axes) for name, caption in captions.items()]


def _mono(samples: NDArray[Any]) -> NDArray[Any]:
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def _decibels(made: Mapping[str, Any]) -> float:
    """What is left of the echo against what it was."""
    tune, frames = made["samples"], len(made["samples"])
    left, was = made["cleaned"][:frames] - tune, made["echoed"][:frames] - tune
    return float(10 * np.log10(np.sum(left**2) / np.sum(was**2)))


SECTION = Section(
    name="sound",
    title="A sound, and what it leaves behind",
    prose="""
Clap in a stairwell and you hear the clap again, later and weaker. Write down when it returns and how strong, and
you have a <em>kernel</em>: a few numbers. An echo is the convolution of a sound with them. Each moment is revised
by the moments that came before it.

Wait two bars instead of a third of a second, keep the strength, and the echo joins in as a second voice. A round is
a tune convolved with three claps.

A room is a kernel too, of a hundred thousand numbers: its response to a clap. Here it is noise, a little different
in each ear, that dies away as in a church.

And the other way round: from the echoed tune alone, one can find out when the echo comes and how strong it is, and
take it out again.

The tune itself is made the same way. Each string is a burst of noise sent round a loop, and every time round each
point is averaged with its neighbours, until noise has become a tone.
""",
    commands=(
        "convolens echo melody.wav echoed.wav --delay 0.3 --weight 0.5 --delay 0.6 --weight 0.25",
        "convolens echo melody.wav canon.wav --delay 3.2 --weight 1 --delay 6.4 --weight 1",
        "convolens reverb melody.wav church.wav inside.wav --dry 0.6 --wet 0.5",
        "convolens unecho echoed.wav cleaned.wav --plot cleaned.png",
    ),
    python="""\
import convolens as cl

samples, rate = cl.read_audio("melody.wav")
echoed = cl.echo(
    samples, rate, delays=[0.3, 0.6], weights=[0.5, 0.25]
)
canon = cl.echo(
    samples, rate, delays=[3.2, 6.4], weights=[1, 1]
)

impulse, _ = cl.read_audio("church.wav")
church = cl.reverb(samples, impulse, dry=0.6, wet=0.5)

found = cl.find_echoes(echoed, rate)
cleaned = cl.unecho(echoed, rate, *found)
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=30,
)
