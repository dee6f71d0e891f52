"""`labels.changes.csv`: a line for each doubtful label, with what is to become of it.

path         of the picture, from the folder that the data is in, with `/`
label        what the data says
suggested    what it likely is; whoever decides may put another class there
probability  that the label is wrong
decision     `keep`, `relabel` or `set aside`; empty where nobody decided yet
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convolens.arrays import as_real
from convolens.errors import DataError, FormatError
from convolens.media.files import AnyPath, as_path, need_file, need_target, writing
from convolens.media.found_pictures import File

COLUMNS = ("path", "label", "suggested", "probability", "decision")
KEEP, RELABEL, SET_ASIDE, UNDECIDED = "keep", "relabel", "set aside", ""
DECISIONS = (KEEP, RELABEL, SET_ASIDE, UNDECIDED)


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the file."""

    path: str
    label: str
    suggested: str
    probability: str
    decision: str


def need_probability(accept: float | None) -> float | None:
    """The probability from which labels are decided to be relabelled, if it is one; None decides nothing."""
    if accept is None:
        return None
    return float(as_real(accept, "accept", "a probability from 0 to 1", lambda value: 0 <= value <= 1))


def path_in_data(root: File, picture: File) -> str:
    """The picture's path from the folder that the data is in; its whole path or address where it is elsewhere."""
    if not (isinstance(root, Path) and isinstance(picture, Path)):
        return str(picture)
    folder = root if root.is_dir() else root.parent
    inside = os.path.relpath(picture, folder) if picture.is_relative_to(folder) else str(picture)
    return inside.replace(os.sep, "/")


def need_changes_file(path: AnyPath) -> Path:
    """The path, if changes can be written there. Errors as of `media.files.need_target`; its suffix must be `.csv`."""
    target = as_path(path, "a file to write changes into")
    if target.suffix.lower() != ".csv":
        raise FormatError(f"{target}: need the suffix .csv for changes, got {target.suffix or 'none'}")
    return need_target(target)


def write_changes(path: AnyPath, changes: Sequence[Change]) -> None:
    """Writes the file. Errors as of `media.files.writing`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.path, one.label, one.suggested, one.probability, one.decision) for one in changes)
    with writing(path) as draft:
        draft.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def read_changes(path: AnyPath) -> tuple[Change, ...]:
    """The lines of the file.

    Raises:
        FileError: it cannot be read.
        FormatError: a column is missing.
        DataError: a decision is none, or one picture has two.
    """
    file = need_file(as_path(path, "a file of changes"), "a file of changes")
    found = tuple(dict.fromkeys(_lines(file)))  # a line that stands there twice decides once
    seen: dict[tuple[str, str], Change] = {}
    for one in found:
        if one.decision not in DECISIONS:
            raise DataError(f"{file}: need keep, relabel, set aside or nothing for {one.path}, got {one.decision!r}")
        before = seen.setdefault((one.path, one.label), one)
        if before != one:
            raise DataError(f"{file}: need one decision for {one.path}, got {before.decision!r} and {one.decision!r}")
    return found


def _lines(file: Path) -> Iterator[Change]:
    # Bytes of names that are not UTF-8 stay what they are; spreadsheets begin with a mark, and some part by semicolons.
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    mark = max(",;\t", key=text.partition("\n")[0].count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FormatError(f"{file}: need the columns {', '.join(COLUMNS)}, got none called {missing[0]!r}")
        for row in reader:
            cells = {name: (row[name] or "") for name in COLUMNS}
            cells["decision"] = cells["decision"].strip().lower()
            yield Change(**cells)
    except csv.Error as error:
        raise FormatError(f"{file}: need a CSV table, got {error}") from error
