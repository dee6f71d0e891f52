"""What training by sounds has of its own: how the network hears, a trunk of one channel, which options mean what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convolens.arrays import as_real, as_whole
from convolens.data import DataSet
from convolens.data.sounds import is_of_sounds
from convolens.effects.sounds.heard import rate_in, seconds_in
from convolens.effects.sounds.hearing import MAX_BANDS, MAX_RATE, Hearing
from convolens.errors import ArgumentError, DataError, FileError
from convolens.trunks import Trunk
from convolens.trunks.registry import for_one_channel

FASTEST = 16_000  # samples a second where nothing else is wanted: what tells words and most voices apart is below 8 kHz
LOOKED_AT = 500  # sounds whose headers say how long and how fine the data is
LONGEST = 2.0  # seconds that the network takes at once where nothing else is wanted
COVERED = 95  # percent of the sounds that fit into that


def hearing_of(data: DataSet, rate: int | None, seconds: float | None, bands: int | None) -> Hearing:
    """How the network is to hear: as requested, and else as suits the data.

    Args:
        data: to train on.
        rate: samples a second; None: the lowest of the data's, and at most `FASTEST`.
        seconds: that the network takes at once; None: as many as 95% of the sounds last, at most `LONGEST`.
        bands: rows of the picture; None: 64.

    Raises:
        ArgumentError: a value that cannot be used.
        DataError: none of the sounds can be read.
    """
    need_numbers(rate, seconds, bands)
    lasts, rates, reason = [], [], ""
    step = max(1, len(data.examples) // LOOKED_AT)
    for example in data.examples[::step]:
        try:
            lasts.append(_lasts(example.path))
            rates.append(rate_in(example.path.path))  # type: ignore[union-attr]
        except FileError as error:
            reason = reason or str(error)
    if not lasts:
        raise DataError(f"{data.root}: need sounds that can be used, got none; {reason}")
    at_once = min(float(np.percentile(lasts, COVERED)), LONGEST) if seconds is None else seconds
    return Hearing.of(min(FASTEST, *rates) if rate is None else rate, at_once, bands or Hearing.bands)


def need_numbers(rate: int | None, seconds: float | None, bands: int | None) -> None:
    """Refuses numbers by which no network can hear; None is left to be chosen.

    Raises:
        ArgumentError: one of them.
    """
    if seconds is not None:
        as_real(seconds, "seconds", "a number from 0.1 to 60", lambda value: 0.1 <= value <= 60)
    if rate is not None:
        as_whole(rate, "rate", 1000)
        as_real(rate, "rate", f"a whole number from 1000 to {MAX_RATE}", lambda value: value <= MAX_RATE)
    if bands is not None:
        as_whole(bands, "bands", 8)
        as_real(bands, "bands", f"a whole number from 8 to {MAX_BANDS}", lambda value: value <= MAX_BANDS)


def _lasts(sound: Any) -> float:
    if sound.end is not None:
        return float(sound.end - (sound.start or 0))
    return seconds_in(sound.path) - (sound.start or 0)


def need_two_of_each(data: DataSet) -> None:
    """Refuses a class of one sound, which cannot be learned from and measured on.

    Raises:
        DataError: there is one.
    """
    counts = np.bincount([one.labels[0] for one in data.examples], minlength=len(data.class_names))
    if (counts == 1).any():
        name = data.class_names[int((counts == 1).argmax())]
        raise DataError(
            f"{data.root}: need at least two sounds of each class, to learn from one and measure on the other, got one "
            f"of {name!r}"
        )


def hearing_trunk(trunk: Trunk, hearing: Hearing) -> Trunk:
    """The trunk as one of sounds: of one channel, and with how it hears."""
    made = trunk if trunk.options["channels"] == 1 else for_one_channel(trunk)
    made.preprocessing = replace(made.preprocessing, resize=None, crop=None, stretch=None, sound=hearing)
    return made


def need_own(data: DataSet, of_pictures: Mapping[str, Any], of_sounds: Mapping[str, Any]) -> None:
    """Refuses options of pictures beside sounds, and the other way round.

    Raises:
        ArgumentError: one that means nothing here was given.
    """
    sounds = is_of_sounds(data)
    for name, value in (of_pictures if sounds else of_sounds).items():
        if value is not None:
            kinds = ("pictures", "sounds") if sounds else ("sounds", "pictures")
            raise ArgumentError(f"{name}: is an option for {kinds[0]}, and {data.root} has {kinds[1]}; leave it out")
