"""Files of changes: a table (`.csv`, a row an object) or lines of JSON (`.jsonl`, a line a picture), by suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from convolens.errors import FormatError
from convolens.labels.change_lines import lines_bytes, lines_changes
from convolens.labels.change_table import table_bytes, table_changes
from convolens.labels.changes import Change, need_one_decision_each
from convolens.media.files import AnyPath, as_path, need_file, need_target, writing

LINES = ".jsonl"  # every other suffix is a table's


def need_changes_file(path: AnyPath) -> Path:
    """The path, if changes can be written there. Errors as of `media.files.need_target`; its suffix must be `.csv`."""
    target = as_path(path, "a file to write changes into")
    if target.suffix.lower() != ".csv":
        raise FormatError(f"{target}: need the suffix .csv for changes, got {target.suffix or 'none'}")
    return need_target(target)


def write_changes(path: AnyPath, changes: Sequence[Change]) -> None:
    """Writes the file. Errors as of `media.files.writing`; a `FormatError` where a row is to hold several objects."""
    made = lines_bytes if _is_lines(as_path(path, "a file of changes")) else table_bytes
    content = made(changes)
    with writing(path) as draft:
        draft.write_bytes(content)


def read_changes(path: AnyPath) -> tuple[Change, ...]:
    """The changes of a file, each once.

    Raises:
        FileError: it cannot be read.
        FormatError: a column is missing, or a line is none.
        DataError: a decision is none, or one thing has two.
    """
    file = need_file(as_path(path, "a file of changes"), "a file of changes")
    read: Callable[[bytes, Path], Iterator[Change]] = lines_changes if _is_lines(file) else table_changes
    return need_one_decision_each(read(file.read_bytes(), file), file)


def _is_lines(path: Path) -> bool:
    return path.suffix.lower() == LINES
