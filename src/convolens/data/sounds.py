"""Whether data is of sounds, which is asked before it is read."""

from __future__ import annotations

from pathlib import Path

from convolens.data.formats import sounds
from convolens.data.formats.stored import is_stored
from convolens.media.files import AnyPath


def holds_sounds(path: AnyPath) -> bool:
    """Whether what is at a path would be read as sounds; nothing is, where nothing is there."""
    return not is_stored(path) and sounds.FORMAT.recognize(Path(path))
