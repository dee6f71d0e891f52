"""CSV: a row for each picture, or for each box. Separated by commas, semicolons or tabs; UTF-8; a head line.

    path,label          path,labels         path,cat,dog     path,label,x1,y1,x2,y2        path,label,x,y,width,height
    a.jpg,cat           a.jpg,cat;dog       a.jpg,1,1        a.jpg,cat,10,10,50,40         a.jpg,cat,10,10,40,30
    b.jpg,dog           b.jpg,              b.jpg,0,0        b.jpg,,,,,                    b.jpg,,,,,

Without a head line the first two columns are path and label. Paths are relative to the file's folder. A column `split`
says which split a row is of; so do the names of several files in one folder, `train.csv` and `val.csv`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Kind, Reading
from convolens.data.files import SPLITS, listed, numbered, picture_at, read_text, split_in
from convolens.errors import DataError, FormatError
from convolens.media.picture_files import is_picture

PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "picture", "id", "name")
LABELS = ("label", "class", "category", "target", "class_name", "label_name", "name")
SEVERAL = ("labels", "classes", "categories", "tags")
SPLIT_COLUMNS = ("split", "part", "subset", "set")
CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"))
SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


@dataclass(frozen=True)
class Columns:
    """Which column holds what; what is not there is empty."""

    path: str
    label: str = ""
    several: str = ""
    split: str = ""
    box: tuple[str, ...] = ()
    box_has_size: bool = False
    marks: tuple[str, ...] = ()  # a column for each class, with 0 or 1

    @property
    def kind(self) -> Kind:
        """What such rows say of a picture."""
        return "boxes" if self.box else "labels" if self.several or self.marks else "label"


@dataclass
class _Row:
    """What rows say of one picture."""

    where: str
    split: str
    names: list[str] = field(default_factory=list)
    boxes: list[tuple[str, tuple[float, float, float, float]]] = field(default_factory=list)


def recognize(path: Path) -> bool:
    """Whether it is a `.csv` or `.tsv` file, or a folder with some at its top."""
    return bool(_files(path))


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The rows of the file, or of all such files in a folder."""
    files = _files(root)
    if not files:
        raise DataError(f"{root}: need a CSV file, found none")
    rows: dict[Path, _Row] = {}
    faults: list[Fault] = []
    kinds: dict[Kind, Path] = {}
    for file in files:
        split = split_in(file.stem) if len(files) > 1 else ""
        kinds[_gather(file, split, rows, faults)] = file
    if len(kinds) > 1:
        (kind, file), (other, second) = list(kinds.items())[:2]
        raise DataError(
            f"{root}: need files with the same columns, got {file.name} with {kind}, {second.name} with {other}"
        )
    kind = next(iter(kinds))
    found = {name for row in rows.values() for name in (*row.names, *(name for name, _ in row.boxes))}
    names = numbered(found, known)
    numbers = {name: number for number, name in enumerate(names)}
    examples = tuple(_example(path, row, numbers, kind, faults) for path, row in rows.items())
    return Reading(DataSet(root, names, examples, kind), tuple(faults))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for ending in ("*.csv", "*.tsv") for file in path.glob(ending))
    return [path] if path.suffix.lower() in (".csv", ".tsv") else []


def _gather(file: Path, split: str, rows: dict[Path, _Row], faults: list[Fault]) -> Kind:
    """Adds the file's rows to those of their pictures."""
    lines, head = _lines(file)
    columns = _columns(file, head, lines)
    for at, line in lines:
        cells = dict(zip(head, (cell.strip() for cell in line), strict=False))
        name = cells.get(columns.path, "")
        if len(line) != len(head) or not name:
            faults.append(_fault(file, at, "unreadable row", f"need {len(head)} columns with a path, got {line!r:.60}"))
            continue
        told = SPLITS.get(cells.get(columns.split, "").lower(), split)
        row = rows.setdefault(picture_at(file.parent, name), _Row(f"{file}: line {at}", told))
        try:
            _add(row, cells, columns)
        except ValueError as error:
            faults.append(_fault(file, at, "unreadable row", str(error)))
    return columns.kind


def _lines(file: Path) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Numbered lines that are not empty, and the head."""
    text = read_text(file, "a table")
    mark = max(",;\t", key=(text.splitlines() or [""])[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)  # not by lines: a quoted cell may hold several
    try:
        lines = [(reader.line_num, line) for line in reader if any(line)]
    except csv.Error as error:
        raise FormatError(f"{file}: need a CSV table, got {error}") from error
    if not lines:
        raise DataError(f"{file}: need rows with a path and a label, found none")
    head = [cell.strip() for cell in lines[0][1]]
    if len(head) == 2 and is_picture(head[0]):
        return lines, ["path", "label"]
    return lines[1:], head


def _columns(file: Path, head: list[str], lines: list[tuple[int, list[str]]]) -> Columns:
    lower = {name.lower(): name for name in head}
    path = next((lower[name] for name in PATHS if name in lower), "")
    label = next((lower[name] for name in LABELS if name in lower and lower[name] != path), "")
    several = next((lower[name] for name in SEVERAL if name in lower), "")
    split = next((lower[name] for name in SPLIT_COLUMNS if name in lower), "")
    box, has_size = _box_columns(lower)
    marks = () if label or several else _marks(head, (path, split), lines)
    if not path or not (label or several or marks) or (box and not label):
        raise DataError(f"{file}: need columns path and label (and x1, y1, x2, y2 for boxes), got {listed(head)}")
    return Columns(path, label, several, split, box, has_size, marks)


def _box_columns(lower: dict[str, str]) -> tuple[tuple[str, ...], bool]:
    for has_size, choices in ((False, CORNERS), (True, SIZES)):
        for names in choices:
            if all(name in lower for name in names):
                return tuple(lower[name] for name in names), has_size
    return (), False


def _marks(head: list[str], taken: tuple[str, ...], lines: list[tuple[int, list[str]]]) -> tuple[str, ...]:
    """The other columns, if nothing but 0 and 1 is in them."""
    others = [at for at, name in enumerate(head) if name not in taken]
    marked = all(len(line) == len(head) and all(line[at].strip() in ("0", "1") for at in others) for _, line in lines)
    return tuple(head[at] for at in others) if marked else ()


def _add(row: _Row, cells: dict[str, str], columns: Columns) -> None:
    """What one line says. Raises a ValueError that says what is wrong with it."""
    if columns.box:
        values = [cells[name] for name in columns.box]
        if any(values) or cells[columns.label]:
            row.boxes.append((_needed(cells[columns.label]), _box(values, columns.box_has_size)))
    elif columns.marks:
        row.names += [name for name in columns.marks if cells[name] == "1"]
    elif columns.several:
        row.names += [one.strip() for one in cells[columns.several].replace("|", ";").split(";") if one.strip()]
    else:
        row.names.append(_needed(cells[columns.label]))


def _needed(label: str) -> str:
    if not label:
        raise ValueError("need a label, got none")
    return label


def _box(values: list[str], has_size: bool) -> tuple[float, float, float, float]:
    try:
        x, y, third, fourth = map(float, values)
    except ValueError:
        raise ValueError(f"need four numbers for a box, got {', '.join(values)}") from None
    return (x, y, x + third, y + fourth) if has_size else (x, y, third, fourth)


def _example(path: Path, row: _Row, numbers: dict[str, int], kind: Kind, faults: list[Fault]) -> Example:
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
    return Example(path, tuple(sorted({numbers[name] for name in known(names)})), boxes, row.split)


def _fault(file: Path, at: int, kind: str, sentence: str) -> Fault:
    return Fault(file, kind, f"{file}: line {at}: {sentence}")
