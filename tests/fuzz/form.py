"""What the campaign knows of a kind of file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from convolens.errors import FileNote

MEMORY = 1 << 30  # bytes: the budget that the campaign sets, and looks after

Change = Callable[[bytes, Random], bytes]
Command = Callable[[Path, Path], Sequence[str]]


def nothing_beside(folder: Path) -> None:
    """The file needs no others."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: of the file in a folder of its own, in which it is found.
        seeds: whole files, the same each time.
        change: one changed file, of a seed and the dice.
        read: reads a file; a result that is wrong is an `AssertionError`.
        stage: puts beside it, once, what it speaks of.
        place: from its folder and its bytes to what is read; by default the file itself.
        commands: lines for the command line, of what is read and where a result may go.
        tokens: what its files are made of, where that is text.
        turns: how often it comes in turn; those that take long come once.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    change: Change
    read: Callable[[Path], object]
    stage: Callable[[Path], None] = nothing_beside
    place: Callable[[Path, bytes], Path] | None = None
    commands: tuple[Command, ...] = ()
    tokens: tuple[str, ...] = ()
    turns: int = 4

    def put(self, folder: Path, data: bytes) -> Path:
        """Puts the file there."""
        if self.place is not None:
            return self.place(folder, data)
        path = folder / self.name
        path.write_bytes(data)
        return path


class Refused(Exception):  # noqa: N818 - the command line refused, as it should
    """A command ended with exit code 2 and a sentence."""


def with_notes(act: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What it gives, and what it says of the file that it used nonetheless."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = act()
    return result, [str(one.message) for one in told if issubclass(one.category, FileNote)]
