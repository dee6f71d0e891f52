"""What the rows of one table say of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from convolens.data.by_name import UNNAMED
from convolens.data.csv_file import Lines
from convolens.data.dataset import Fault
from convolens.data.files import SPLITS, claimed_size
from convolens.data.formats.tables.columns import Columns, marked
from convolens.data.picture_names import FIRST, PictureNames, pictures_of

Corners = tuple[float, float, float, float]


@dataclass
class Row:
    """What rows say of one picture."""

    where: str
    split: str
    size: tuple[int, int] | None = None
    names: list[str] = field(default_factory=list)
    boxes: list[tuple[str, Corners]] = field(default_factory=list)


class Rows:
    """One table on its way to pictures."""

    def __init__(self, file: Path, split: str, head: list[str], columns: Columns, lines: Lines) -> None:
        self.file, self.split, self.head, self.columns, self.lines = file, split, head, columns, lines
        self.notes: list[Fault] = []
        self._separators = self._several()
        if columns.box and not columns.label:
            self._note("class without a name", f"has no class of its boxes, which are taken as {UNNAMED!r}")

    def gather(self, rows: dict[Path, Row], faults: list[Fault]) -> None:
        """Adds what the lines say to the rows of their pictures."""
        finder = self._finder()
        for at, line in self.lines:
            try:
                path, cells = self._picture(line, finder)
                row = rows.get(path) or rows.setdefault(path, self._row(cells, at))
                self._add(row, cells, at)
            except ValueError as error:
                faults.append(Fault(self.file, "unreadable row", f"{self.file}: line {at}: {error}"))

    def pictures(self) -> Iterator[tuple[int, Path, dict[str, str]]]:
        """Of each line that names a picture its number, the picture, and the cells by their columns."""
        finder = self._finder()
        for at, line in self.lines:
            try:
                yield at, *self._picture(line, finder)
            except ValueError:  # which `gather` tells
                continue

    def _finder(self) -> PictureNames:
        return pictures_of(self.file, self._first_names(), self.split)

    def _picture(self, line: list[str], finder: PictureNames) -> tuple[Path, dict[str, str]]:
        cells = dict(zip(self.head, line, strict=False))
        name = cells.get(self.columns.path, "")
        if len(line) != len(self.head) or not name:
            raise ValueError(f"need {len(self.head)} columns with a path, got {line!r:.60}")
        return finder.path(name), cells

    def _row(self, cells: dict[str, str], at: int) -> Row:
        split = SPLITS.get(cells.get(self.columns.split, "").lower(), self.split)
        size = claimed_size(*(cells.get(name) for name in self.columns.size or ("", "")))
        return Row(f"{self.file}: line {at}", split, size)

    def _first_names(self) -> list[str]:
        at = self.head.index(self.columns.path)
        return list(dict.fromkeys(line[at] for _, line in self.lines[: 50 * FIRST] if at < len(line)))[:FIRST]

    def _add(self, row: Row, cells: dict[str, str], at: int) -> None:
        """What one line says. Raises a ValueError that says what is wrong with it."""
        columns = self.columns
        if columns.box:
            values = [cells[name] for name in columns.box]
            label = cells[columns.label] if columns.label else UNNAMED
            if any(values):
                row.boxes.append((_needed(label), _box(values, columns.box_has_size)))
            elif columns.label and label:
                self._note("label without a box", f"line {at}: has {label!r} without a box, taken to show nothing")
        elif columns.marks:
            row.names += [name for name in columns.marks if marked(cells[name])]
        elif columns.several:
            row.names += [one for one in re.split(self._separators, cells[columns.several]) if one]
        else:
            row.names.append(_needed(cells[columns.label]))

    def _several(self) -> str:
        """What separates the labels in a cell: a semicolon or a bar; blanks, if none has these and that names fewer."""
        if not self.columns.several:
            return ""
        at = self.head.index(self.columns.several)
        cells = {line[at] for _, line in self.lines if at < len(line)}
        if not any(mark in cell for cell in cells for mark in ";|"):
            words = {word for cell in cells for word in cell.split()}
            if len(words) < len(cells - {""}):
                self._note("labels separated by blanks", "takes blanks to separate labels; `;` or `|` would be plainer")
                return r"\s+"
        return r"\s*[;|]\s*"

    def _note(self, kind: str, sentence: str) -> None:
        self.notes.append(Fault(self.file, kind, f"{self.file}: {sentence}"))


def _needed(label: str) -> str:
    if not label:
        raise ValueError("need a label, got none")
    return label


def _number(cell: str) -> float:
    """A number, also with a decimal comma, as spreadsheets of many countries write it between semicolons."""
    return float(cell.replace(",", ".") if re.fullmatch(r"[+-]?\d+,\d+", cell) else cell)


def _box(values: list[str], has_size: bool) -> Corners:
    if len(values) == 1:
        values = re.split(r"[\s,;]+", values[0].strip("[]() "))
    try:
        x, y, third, fourth = map(_number, values)
    except ValueError:
        raise ValueError(f"need four numbers for a box, got {', '.join(values)}") from None
    return (x, y, x + third, y + fourth) if has_size else (x, y, third, fourth)
