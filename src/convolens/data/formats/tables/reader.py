"""CSV: a row for each picture, or for each box. Separated by commas, semicolons or tabs; UTF-8; a head line.

    path,label          path,labels         path,cat,dog     path,label,x1,y1,x2,y2        path,label,x,y,width,height
    a.jpg,cat           a.jpg,cat;dog       a.jpg,1,1        a.jpg,cat,10,10,50,40         a.jpg,cat,10,10,40,30
    b.jpg,dog           b.jpg,              b.jpg,0,0        b.jpg,,,,,                    b.jpg,,,,,

So are Roboflow's `_annotations.csv` and `_classes.csv`, Kaggle's `image_id,bbox`, and others whose columns are called
as in `columns.py`. Without a head line the columns are path and label, or path, x1, y1, x2, y2 and label. Paths are
looked for beside the file and in the folders there, with a picture's suffix where they have none. A column `split` says
which split a row is of; so do the names of several files in one folder, `train.csv` and `val.csv`, and folders of
splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from convolens.data.csv_file import SUFFIXES, first_lines, read_lines
from convolens.data.dataset import Box, DataSet, Example, Fault, Kind, Reading
from convolens.data.files import folders_in, listed, numbered, split_folders, split_in
from convolens.data.formats.tables.columns import columns_of, with_head
from convolens.data.formats.tables.rows import Row, Rows
from convolens.errors import DataError, did_you_mean
from convolens.media.picture_files import is_left_out

ANSWERS = "submission"  # in the name of a table of answers to be given, whose labels are placeholders
DECISIONS = frozenset(("label", "suggested", "decision"))  # columns of a `labels.changes.csv`: doubtful pictures alone


def recognize(path: Path) -> bool:
    """Whether it is a `.csv` or `.tsv` file, or a folder with some of pictures at its top or in its splits."""
    files = [file for file, _ in _files(path)]
    return bool(files) and (path.is_file() or not folders_in(path) or any(_trouble(file) == "" for file in files))


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The rows of the file, or of all such files in a folder."""
    meant, troubles = _meant(root)
    found = _Found()
    found.notes += [Fault(file, "other table", f"{file}: passed over: {trouble}") for file, trouble in troubles.items()]
    for file, split in meant:
        found.add(file, split)
    if len(found.kinds) > 1:
        (kind, file), (other, second) = list(found.kinds.items())[:2]
        raise DataError(
            f"{root}: need files with the same columns, got {file.name} with {kind}, {second.name} with {other}"
        )
    kind = next(iter(found.kinds))
    named = {name for row in found.rows.values() for name in (*row.names, *(name for name, _ in row.boxes))}
    names = numbered(named, known)
    numbers = {name: number for number, name in enumerate(names)}
    examples = tuple(_example(path, row, numbers, kind, found.faults) for path, row in found.rows.items())
    return Reading(DataSet(root, names, examples, kind), tuple(found.faults), notes=tuple(found.notes))


def column(root: Path, name: str) -> dict[Path, str]:
    """What a column of the tables says of each picture.

    Raises:
        DataError: a table has no such column, or it says nothing or two things of a picture.
    """
    found: dict[Path, str] = {}
    for file, split in _meant(root)[0]:
        rows = _rows(file, split)
        if name not in rows.head:
            raise DataError(f"{file}: need a column {name!r}, got {listed(rows.head)}{did_you_mean(name, rows.head)}")
        for at, path, cells in rows.pictures():
            value = cells[name]
            if not value or found.setdefault(path, value) != value:
                got = f"{found[path]!r} and {value!r}" if value else "none"
                raise DataError(f"{file}: line {at}: need one {name} for {path.name}, got {got}")
    return found


def _meant(root: Path) -> tuple[list[tuple[Path, str]], dict[Path, str]]:
    """The tables of pictures, each with its split, and why others are passed over."""
    files = _files(root)
    if not files:
        raise DataError(f"{root}: need a CSV file, found none")
    troubles = {file: _trouble(file) for file, _ in files} if len(files) > 1 else {}
    meant = [one for one in files if not troubles.get(one[0])] or files[:1]
    passed_over = {file: troubles[file] for file, _ in files if file not in dict(meant)}
    return [(file, split if len(files) > 1 else "") for file, split in meant], passed_over


def _rows(file: Path, split: str) -> Rows:
    lines = read_lines(file)
    if not lines:
        raise DataError(f"{file}: need rows with a path and a label, found none")
    head, below = with_head(lines)
    try:
        return Rows(file, split, head, columns_of(head, below), below)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _files(path: Path) -> list[tuple[Path, str]]:
    """The tables, each with its split."""
    if path.is_file():
        return [(path, "")] if path.suffix.lower() in SUFFIXES else []
    places = [("", path), *split_folders(path)] if path.is_dir() else []
    return [
        (file, split or split_in(file.stem))
        for split, folder in places
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in SUFFIXES and file.is_file() and not is_left_out(file.name)
    ]


def _trouble(file: Path) -> str:
    """Why a table is none of pictures; empty where it is one."""
    if ANSWERS in file.stem.lower():
        return "it has answers to be given"
    lines = first_lines(file)
    if lines and DECISIONS.issubset(lines[0][1]):
        return "it has decisions on labels, which `convolens apply` takes"
    try:
        columns_of(*with_head(lines)) if lines else None
    except DataError as error:
        return str(error)
    return "" if lines else "it is empty"


@dataclass
class _Found:
    """What the tables say: rows by their pictures, the kinds that there are, and faults and notes."""

    rows: dict[Path, Row] = field(default_factory=dict)
    kinds: dict[Kind, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)

    def add(self, file: Path, split: str) -> None:
        rows = _rows(file, split)
        self.kinds[rows.columns.kind] = file
        rows.gather(self.rows, self.faults)
        self.notes += rows.notes


def _example(path: Path, row: Row, numbers: dict[str, int], kind: Kind, faults: list[Fault]) -> Example:
    def known(names: list[str]) -> Iterator[str]:
        for name in names:
            if name in numbers:
                yield name
            else:
                sentence = f"{row.where}: need labels of the model's classes ({listed(tuple(numbers))}), got {name!r}"
                faults.append(Fault(path, "unknown class", sentence))

    if kind == "label" and len(set(row.names)) != 1:
        sentence = (
            f"{row.where}: need one label for {path.name}, got {listed(row.names)}; for several, use a column labels"
        )
        faults.append(Fault(path, "contradicting labels", sentence))
    boxes = tuple(Box(numbers[name], box) for name, box in row.boxes if name in numbers)
    names = row.names + [name for name, _ in row.boxes]
    return Example(path, tuple(sorted({numbers[name] for name in known(names)})), boxes, row.split, row.size)
