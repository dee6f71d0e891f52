"""Data of sounds: whether some is, which is asked before it is read; and sounds as a network hears them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example
from convolens.data.formats import audacity, raven, sounds
from convolens.data.formats.stored import is_stored
from convolens.effects.sounds.heard import Heard
from convolens.effects.sounds.hearing import Hearing
from convolens.media.files import AnyPath

FORMATS = (raven.FORMAT, audacity.FORMAT, sounds.FORMAT)


def holds_sounds(path: AnyPath) -> bool:
    """Whether what is at a path would be read as sounds; nothing is, where nothing is there."""
    return not is_stored(path) and any(one.recognize(Path(path)) for one in FORMATS)


def is_of_sounds(data: DataSet) -> bool:
    """Whether the data is of sounds rather than of pictures."""
    return bool(data.examples) and isinstance(data.examples[0].path, Heard)


def by_hearing(data: DataSet, hearing: Hearing) -> DataSet:
    """The same sounds as a network hears them, boxes in its pictures of them."""
    return data.having(_heard_by(one, hearing) for one in data.examples)


def _heard_by(example: Example, hearing: Hearing) -> Example:
    assert isinstance(example.path, Heard)
    before = example.path.hearing

    def moved(box: Box) -> Box:
        return replace(box, xyxy=hearing.box_of(*before.span_of(box.xyxy)))

    return replace(example, path=example.path.by(hearing), boxes=tuple(map(moved, example.boxes)))
