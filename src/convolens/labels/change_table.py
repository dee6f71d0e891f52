"""`labels.changes.csv`: a row for each doubtful label or box, with what is to become of it.

path           of the picture, from the folder that the data is in, with `/`
label          what the data says; empty for an object that it does not know
suggested      what it likely is; whoever decides may put another class there. Empty: nothing is there
probability    that the data is wrong
decision       `keep`, `relabel` (of boxes: `fix`) or `set aside`, which is the whole picture; empty is undecided
box            of data with boxes: `x1 y1 x2 y2` in pixels, as the data says
suggested_box  where it likely is
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from convolens.errors import FormatError
from convolens.labels.changes import FIX, RELABEL, Change, Corners, Object, corners_text, spelled

COLUMNS = ("path", "label", "suggested", "probability", "decision")
BOX_COLUMNS = (*COLUMNS, "box", "suggested_box")


def columns_for(changes: Sequence[Change]) -> tuple[str, ...]:
    """The columns: those of boxes only where there are some."""
    boxed = any(each.box_xyxy is not None for one in changes for each in (*one.before, *one.after))
    return BOX_COLUMNS if boxed else COLUMNS


def as_row(change: Change) -> dict[str, str]:
    """The cells of a change of one object; a `FormatError` where it is of several."""
    if change.whole or len(change.before) > 1 or len(change.after) > 1:
        raise FormatError(f"{change.path}: need one object in a row of a table, got several; write .jsonl")
    before, after = (next(iter(some), None) for some in (change.before, change.after))
    box, suggested = ("" if one is None or one.box_xyxy is None else corners_text(one.box_xyxy)
                      for one in (before, after))  # fmt: skip
    return {
        "path": change.path,
        "label": before.label if before else "",
        "suggested": after.label if after else "",
        "probability": change.probability,
        "decision": spelled(change),
        "box": box,
        "suggested_box": suggested,
    }


def table_bytes(changes: Sequence[Change]) -> bytes:
    """The file's content."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns_for(changes), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(as_row, changes))
    return text.getvalue().encode("utf-8", "surrogateescape")


def table_changes(content: bytes, file: Path) -> Iterator[Change]:
    """The changes of a file's content; a `FormatError` names what is missing or is no box."""
    # Bytes of names that are not UTF-8 stay what they are; spreadsheets begin with a mark, and some part by semicolons.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    mark = max(",;\t", key=text.partition("\n")[0].count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FormatError(f"{file}: need the columns {', '.join(COLUMNS)}, got none called {missing[0]!r}")
        for row in reader:
            yield _change({name: (row.get(name) or "") for name in BOX_COLUMNS}, file)
    except csv.Error as error:
        raise FormatError(f"{file}: need a CSV table, got {error}") from error


def _change(cells: dict[str, str], file: Path) -> Change:
    decision = cells["decision"].strip().lower()
    before, after = (
        _objects(cells["path"], cells[label], cells[box], file)
        for label, box in (("label", "box"), ("suggested", "suggested_box"))
    )
    return Change(cells["path"], FIX if decision == RELABEL else decision, before, after, cells["probability"])


def _objects(path: str, label: str, box: str, file: Path) -> tuple[Object, ...]:
    if not box.strip():
        return (Object(label),) if label else ()
    try:
        x1, y1, x2, y2 = map(float, box.split())
    except ValueError:
        raise FormatError(f"{file}: need a box as x1 y1 x2 y2 for {path}, got {box!r:.60}") from None
    corners: Corners = (x1, y1, x2, y2)
    return (Object(label, corners),)
