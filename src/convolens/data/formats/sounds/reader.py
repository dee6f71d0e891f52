"""Sounds whose classes are known: `DIR/crow/*.wav`, or rows of a CSV that say what is heard from when to when.

    path,start,end,label
    monday.flac,12.5,13.1,crow
    monday.flac,40,41.2,owl

Folders may lie below `DIR/train`, `DIR/val`, `DIR/test`, and rows may have a column `split`. A row without times is of
the whole file. Paths are those beside the CSV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from convolens.data.csv_file import SUFFIXES, first_lines, read_lines
from convolens.data.dataset import DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import SPLITS, folders_in, listed, no_picture, numbered, split_folders, split_in
from convolens.effects.sounds.heard import heard, is_sound, seconds_in
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import DataError, FileError, did_you_mean
from convolens.media.picture_files import files_below, is_closed_folder, is_left_out, is_picture

COLUMNS = {
    "path": ("path", "file", "filename", "sound", "recording", "fname"),
    "label": ("label", "class", "category", "species"),
    "start": ("start", "begin", "onset", "start_time"),
    "end": ("end", "stop", "offset", "end_time"),
    "split": ("split", "fold"),
}  # fmt: skip
HEARING = Hearing()  # until a network says how it hears
SLACK = 0.05  # seconds that a label may reach past the end: what rounding in other programs makes


def recognize(path: Path) -> bool:
    """Whether it is a table of sounds; or a folder with one, or with folders of sounds, and no pictures in these."""
    if path.is_file():
        return path.suffix.lower() in SUFFIXES and _is_table(path)
    if not path.is_dir():
        return False
    return any(map(_is_table, _tables(path))) or _folders_have_sounds(path)


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The rows of the tables, or each file below a class's folder."""
    tables = [root] if root.is_file() else [one for one in _tables(root) if _is_table(one)]
    return _of_tables(root, tables, known) if tables else _of_folders(root, known)


def _tables(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES and not is_left_out(one.name))


def _is_table(path: Path) -> bool:
    """Whether its first row below a head names a sound."""
    lines = first_lines(path)
    if len(lines) < 2:
        return False
    at = _places(lines[0][1]).get("path")
    return at is not None and at < len(lines[1][1]) and is_sound(lines[1][1][at])


def _places(head: Sequence[str]) -> dict[str, int]:
    """Which of the columns are where."""
    lower = [name.lower() for name in head]
    found = {}
    for column, names in COLUMNS.items():
        place = next((lower.index(name) for name in names if name in lower), None)
        if place is not None:
            found[column] = place
    return found


def _folders_have_sounds(root: Path) -> bool:
    """Looked for until the first file that is either."""
    try:
        return next((is_sound(one) for folder in folders_in(root) for one in files_below(folder)
                     if is_sound(one) or is_picture(one)), False)  # fmt: skip
    except (OSError, FileError):
        return False


def _of_folders(root: Path, known: tuple[str, ...] | None) -> Reading:
    places = split_folders(root) or [("", root)]
    folders = [(split, folder) for split, where in places for folder in folders_in(where)]
    names = numbered({folder.name for _, folder in folders}, known)
    faults: list[Fault] = []
    examples: list[Example] = []
    skipped: list[Skipped] = []
    for split, folder in folders:
        if folder.name not in names:
            faults.append(_unknown(folder, f"{root}: need folders", folder.name, names))
            continue
        files = list(files_below(folder))
        here = [heard(one, HEARING) for one in files if is_sound(one)]
        examples += [Example(one, (names.index(folder.name),), split=split) for one in here]
        skipped += [
            no_picture(one)
            if is_closed_folder(one)
            else Skipped(Path(one), f"{one}: need a sound's suffix, got {Path(one).suffix or 'none'}")
            for one in files
            if not is_sound(one)
        ]
        if not here:
            sentence = f"{folder}: need sounds of the class {folder.name!r}, found none"
            faults.append(Fault(folder, "empty class", sentence))
    return Reading(DataSet(root, names, tuple(examples), "label", tuple(skipped)), tuple(faults))


def _of_tables(root: Path, tables: Sequence[Path], known: tuple[str, ...] | None) -> Reading:
    faults: list[Fault] = []
    rows = [row for table in tables for row in _Rows(table, split_in(table.stem), faults)]
    names = numbered({label for _, label, _ in rows}, known)
    examples = []
    for example, label, where in rows:
        if label in names:
            examples.append(Example(example.path, (names.index(label),), split=example.split))
        else:
            faults.append(_unknown(root, f"{where}: need labels", label, names))
    return Reading(DataSet(root, names, tuple(examples), "label"), tuple(faults))


def _unknown(path: Path, start: str, got: str, names: tuple[str, ...]) -> Fault:
    sentence = f"{start} of the model's classes ({listed(names)}), got {got!r}{did_you_mean(got, names)}"
    return Fault(path, "unknown class", sentence)


class _Rows:
    """The rows of a table: each an example, its label and where it is said; what is wrong is added to the faults."""

    def __init__(self, file: Path, split: str, faults: list[Fault]) -> None:
        self.file, self.split, self.faults = file, split, faults
        self.lines = read_lines(file)
        self.places = _places(self.lines[0][1]) if self.lines else {}
        missing = [name for name in ("path", "label") if name not in self.places]
        if missing:
            got = listed(self.lines[0][1]) if self.lines else "none"
            raise DataError(f"{file}: need columns path and label, and start and end of parts, got {got}")
        self._seconds: dict[Path, float] = {}

    def __iter__(self) -> Iterator[tuple[Example, str, str]]:
        for at, line in self.lines[1:]:
            where = f"{self.file}: line {at}"
            try:
                cells = {name: line[place] for name, place in self.places.items() if place < len(line)}
                yield self._example(cells), cells["label"], where
            except ValueError as error:
                self.faults.append(Fault(self.file, "unreadable row", f"{where}: {error}"))

    def _example(self, cells: dict[str, str]) -> Example:
        """What one row says. Raises a ValueError that says what is wrong with it."""
        if not cells.get("path") or not cells.get("label"):
            raise ValueError("need a path and a label, got an empty cell")
        path = self.file.parent / cells["path"].replace("\\", "/")
        start, end = (_seconds(cells.get(name, ""), name) for name in ("start", "end"))
        if start is not None or end is not None:
            start = start or 0.0
            if end is not None and end <= start:
                raise ValueError(f"need an end after the start, got {start:g} to {end:g} s")
            self._need_inside(path, start, end)
        split = SPLITS.get(cells.get("split", "").lower(), self.split)
        return Example(heard(path, HEARING, start, end), (), split=split)

    def _need_inside(self, path: Path, start: float, end: float | None) -> None:
        if path not in self._seconds:
            try:
                self._seconds[path] = seconds_in(path)
            except FileError as error:
                raise ValueError(str(error)) from error
        lasts = self._seconds[path]
        if start >= lasts or (end is not None and end > lasts + SLACK):
            got = f"{start:g} s on" if end is None else f"{start:g} to {end:g} s"
            raise ValueError(f"need times within {path.name}, which lasts {lasts:.2f} s, got {got}")


def _seconds(cell: str, name: str) -> float | None:
    try:
        value = float(cell) if cell else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value < 1e9:
        raise ValueError(f"need {name} in seconds, got {cell!r}")
    return value
