r"""Audacity's label files, `a.txt` beside `a.wav`: start, end and label between tabs, in seconds.

    12.500000	13.100000	crow
    \	1200.000000	3400.000000

The second line is there where the label has pitches (a spectral selection): a backslash, the lowest and the highest in
Hz; -1 says that it goes to the sound's end of pitches. https://manual.audacityteam.org/man/importing_and_exporting_labels.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from convolens.data.dataset import Reading
from convolens.data.files import encoding_of, ends_of_file, read_text
from convolens.data.sound_labels import MOST, LabelError, Said, Span, number_in, reading_of, recognized

LINE = re.compile(r"[-+.\d]+\t[-+.\d]+(\t|$)")
PITCHES = "\\"
UNBOUND = MOST  # Hz: up to what the sound has


def recognize(path: Path) -> bool:
    """Whether it is such a file, or a folder with one beside a sound."""
    return recognized(path, _is_one)


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The labels of one file, or of all in a folder."""
    return reading_of(root, known, _is_one, _labels, "Audacity's label files (.txt)")


def _is_one(path: Path) -> bool:
    head = ends_of_file(path)
    lines = head.decode(encoding_of(head), "replace").splitlines()
    return bool(lines) and LINE.match(lines[0]) is not None


def _labels(path: Path) -> Iterator[Said]:
    lines = read_text(path, "Audacity's labels").splitlines()
    waiting: tuple[str, list[str]] | None = None
    for at, line in enumerate(lines, 1):
        cells = line.split("\t")
        if cells[0].strip() == PITCHES and waiting is not None:
            yield waiting[0], partial(_label, waiting[1], cells)
            waiting = None
        elif line.strip():
            if waiting is not None:
                yield waiting[0], partial(_label, waiting[1], None)
            waiting = f"{path}: line {at}", cells
    if waiting is not None:
        yield waiting[0], partial(_label, waiting[1], None)


def _label(cells: list[str], pitches: list[str] | None) -> tuple[Span, str]:
    if len(cells) < 3:
        raise LabelError(f"need start, end and label between tabs, got {' '.join(cells)!r:.60}")
    span = Span(cells[2].strip(), number_in(cells[0], "the start"), number_in(cells[1], "the end"))
    if pitches is None:
        return span, ""
    if len(pitches) < 3:
        raise LabelError("need the lowest and the highest pitch between tabs behind the backslash")
    low, high = number_in(pitches[1], "the lowest pitch"), number_in(pitches[2], "the highest pitch")
    return replace(span, low=max(low, 0.0), high=UNBOUND if high < 0 else high), ""
