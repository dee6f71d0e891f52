"""Raven's selection tables, `a.Table.1.selections.txt` beside `a.wav`: a row for each selection, cells between tabs.

    Selection	View	Channel	Begin Time (s)	End Time (s)	Low Freq (Hz)	High Freq (Hz)	Species
    1	Spectrogram 1	1	12.500000	13.100000	1200.000	3400.000	crow

A table names the sound that each row is of in `Begin File`, with `File Offset (s)` for when in it; without these it is
of the sound that it is called after. Of a selection that is listed for its waveform too, the row of the spectrogram
counts. https://ravensoundsoftware.com (Raven Pro User's Manual, selection tables).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from convolens.data.dataset import Reading
from convolens.data.files import encoding_of, ends_of_file, listed, read_text
from convolens.data.sound_labels import LabelError, Said, Span, number_in, reading_of, recognized
from convolens.errors import DataError

START, END, LOW, HIGH = "begin time (s)", "end time (s)", "low freq (hz)", "high freq (hz)"
VIEW, FILE, OFFSET = "view", "begin file", "file offset (s)"
# The column of the label has no fixed name: what tables of Raven and of BirdNET call it.
LABELS = ("annotation", "label", "species", "class", "common name", "call type", "type", "species code", "tag")


def recognize(path: Path) -> bool:
    """Whether it is such a table, or a folder with one beside a sound."""
    return recognized(path, _is_one)


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The rows of one table, or of all in a folder."""
    return reading_of(root, known, _is_one, _rows, "Raven's selection tables (.txt)")


def _is_one(path: Path) -> bool:
    head = ends_of_file(path)
    first = head.decode(encoding_of(head), "replace").partition("\n")[0]
    return {START, END} <= set(_cells(first.lower()))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.rstrip("\r\n").split("\t")]


def _rows(path: Path) -> Iterator[Said]:
    head, *lines = read_text(path, "a selection table").splitlines() or [""]
    names = _cells(head.lower())
    label = next((one for one in LABELS if one in names), None)
    if label is None or not {START, END} <= set(names):
        need = f"{START}, {END} and one for the label ({', '.join(LABELS[:4])})"
        raise DataError(f"{path}: need columns {need}, got {listed(_cells(head), 12)}")
    for at, line in enumerate(lines, 2):
        cells = dict(zip(names, _cells(line), strict=False))
        if line.strip() and not cells.get(VIEW, "").lower().startswith("waveform"):
            yield f"{path}: line {at}", partial(_selection, cells, label)


def _selection(cells: Mapping[str, str], label: str) -> tuple[Span, str]:
    missing = [one for one in (START, END, label) if one not in cells]
    if missing:
        raise LabelError(f"need a cell for each column, got none for {', '.join(missing)}")
    start, end = number_in(cells[START], START), number_in(cells[END], END)
    if cells.get(FILE) and cells.get(OFFSET):
        offset = number_in(cells[OFFSET], OFFSET)
        start, end = offset, offset + end - start
    pitches = [number_in(cells[one], one) if cells.get(one) else None for one in (LOW, HIGH)]
    low, high = pitches if None not in pitches else (None, None)
    return Span(cells[label], start, end, low, high), cells.get(FILE, "")
