"""What is decided about pictures: kept, relabelled, boxes fixed, set aside. Each can be undone, and done again.

A decision is a row that says what was before. Undoing puts that back and leaves the row, so that it can be redone until
something else is decided.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convolens.errors import ArgumentError, need_one_of
from convolens.labels.changes import KEEP, RELABEL, SET_ASIDE
from convolens.studio.box_rows import box_of, need_few
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery
from convolens.studio.gallery.view import FIX

_STATE = ("decision", "new_labels", "new_boxes")


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that was made, undone or redone: of which picture, and what holds now.

    Attributes:
        picture: its number.
        decision: that holds; empty for none.
    """

    picture: int
    decision: str


def keep(database: Database, data: Gallery, picture: int) -> Decision:
    """Decides that what the data says is right. Errors as of `relabel`."""
    return _decide(database, data, picture, KEEP, None, None)


def set_aside(database: Database, data: Gallery, picture: int) -> Decision:
    """Decides that the picture is left out of what is written. Errors as of `relabel`."""
    return _decide(database, data, picture, SET_ASIDE, None, None)


def relabel(database: Database, data: Gallery, picture: int, names: Sequence[str]) -> Decision:
    """Decides that the picture shows other classes.

    Args:
        database: the project's.
        data: that the picture is of.
        picture: its number.
        names: of classes; one, unless pictures of the data show any number.

    Raises:
        ArgumentError: no such picture or class; or data with boxes, whose boxes have the labels.
    """
    if data.kind == "boxes":
        raise ArgumentError(f"{data.path}: need boxes with other classes for data with boxes, got a label")
    if data.kind == "label" and len(names) != 1:
        raise ArgumentError(f"label: need one class for a picture of {data.path}, got {len(names)}")
    for name in names:
        need_one_of("label", name, data.classes)
    labels = json.dumps(sorted({data.classes.index(name) for name in names}))
    return _decide(database, data, picture, RELABEL, labels, None)


def fix(database: Database, data: Gallery, picture: int, boxes: Sequence[tuple[str, Sequence[float]]]) -> Decision:
    """Decides which boxes a picture has. Those that it had keep what else was known of them.

    Args:
        database: the project's.
        data: that the picture is of, with boxes.
        picture: its number.
        boxes: the class and the corners `x1, y1, x2, y2` in pixels of each; cut to the picture.

    Raises:
        ArgumentError: no such picture or class, data without boxes, or a box without area.
    """
    if data.kind != "boxes":
        raise ArgumentError(f"{data.path}: need data with boxes to fix one, got {data.kind or 'data that is not read'}")
    need_few(boxes)
    with database.reading() as connection:
        row = _row(connection, data, picture)
    before = {(label, *xyxy): words for label, *xyxy, words in json.loads(row["boxes"])}
    whole = (row["width"] or math.inf, row["height"] or math.inf)
    fixed = [_boxed(data, name, corners, whole, before) for name, corners in boxes]
    return _decide(database, data, picture, FIX, None, json.dumps(fixed))


def undo(database: Database, data: Gallery) -> Decision | None:
    """Takes the last decision back; None where there is none."""
    with database.writing() as connection:
        row = connection.execute(
            "SELECT id, picture, before FROM decisions WHERE data = ? AND undone = 0 ORDER BY id DESC LIMIT 1",
            (data.id,),
        ).fetchone()
        if row is None:
            return None
        before = json.loads(row["before"])
        connection.execute("UPDATE decisions SET undone = 1 WHERE id = ?", (row["id"],))
        _put(connection, row["picture"], before)
        return Decision(row["picture"], before["decision"])


def redo(database: Database, data: Gallery) -> Decision | None:
    """Makes the decision that was undone last once more; None where there is none, or another was made since."""
    with database.writing() as connection:
        row = connection.execute(
            "SELECT * FROM decisions WHERE data = :data AND undone = 1 AND id > coalesce("
            "(SELECT max(id) FROM decisions WHERE data = :data AND undone = 0), 0) ORDER BY id LIMIT 1",
            {"data": data.id},
        ).fetchone()
        if row is None:
            return None
        connection.execute("UPDATE decisions SET undone = 0 WHERE id = ?", (row["id"],))
        _put(connection, row["picture"], {name: row[name] for name in _STATE})
        return Decision(row["picture"], row["decision"])


def counts(database: Database, data: Gallery) -> Counter[str]:
    """How many pictures each decision holds for; the empty one is of those undecided, the rest of the data.

    Only rows with a decision are counted, along their index: 100,000 others would take longer than all of a page.
    """
    decided = "SELECT decision, count(*) FROM pictures WHERE data = ? AND decision > '' GROUP BY 1"
    with database.reading() as connection:
        found = Counter(dict(connection.execute(decided, (data.id,)).fetchall()))
        if data.state == "ready":
            there = data.total
        else:
            [there] = connection.execute("SELECT count(*) FROM pictures WHERE data = ?", (data.id,)).fetchone()
    found[""] = there - found.total()
    return found


def _decide(
    database: Database, data: Gallery, picture: int, decision: str, labels: str | None, boxes: str | None
) -> Decision:
    now = {"decision": decision, "new_labels": labels, "new_boxes": boxes}
    with database.writing() as connection:
        row = _row(connection, data, picture)
        before = json.dumps({name: row[name] for name in _STATE})
        connection.execute("DELETE FROM decisions WHERE data = ? AND undone = 1", (data.id,))  # no longer redone
        connection.execute(
            "INSERT INTO decisions (data, picture, decision, new_labels, new_boxes, before) VALUES (?, ?, ?, ?, ?, ?)",
            (data.id, picture, decision, labels, boxes, before),
        )
        _put(connection, picture, now)
    return Decision(picture, decision)


def _row(connection: Any, data: Gallery, picture: int) -> Any:
    query = "SELECT * FROM pictures WHERE data = ? AND id = ?"
    row = connection.execute(query, (data.id, picture)).fetchone()
    if row is None:
        raise ArgumentError(f"picture: need the number of one of {data.path}, got {picture}")
    return row


def _put(connection: Any, picture: int, state: dict[str, Any]) -> None:
    values = [state[name] for name in _STATE]
    connection.execute(
        "UPDATE pictures SET decision = ?, new_labels = ?, new_boxes = ? WHERE id = ?", (*values, picture)
    )


def _boxed(
    data: Gallery, name: str, corners: Sequence[float], whole: tuple[float, float], before: dict[Any, str]
) -> list[Any]:
    need_one_of("label", name, data.classes)
    label = data.classes.index(name)
    as_it_was = (label, *map(float, corners))
    if as_it_was in before:  # beyond the picture too
        return [*as_it_was, before[as_it_was]]
    return [label, *box_of(name, corners, data.classes, whole).xyxy, ""]
