"""The pictures of a view, a page at a time: from where the last page ended, or from a place within all of them."""

from __future__ import annotations

from dataclasses import dataclass

from convolens.errors import ArgumentError
from convolens.studio.database import Database
from convolens.studio.gallery.choosing import BY, Chosen, whole
from convolens.studio.gallery.picture import Picture, findings_of, picture_from
from convolens.studio.gallery.view import View

PAGE = 60  # pictures of a page
MOST_PAGE = 500


@dataclass(frozen=True)
class Page:
    """Some pictures of a view, in order.

    Attributes:
        pictures: of this page.
        start: how many are before it; None where it was entered by a place.
        after: the place behind which the next page begins; empty where there is none.
    """

    pictures: tuple[Picture, ...]
    start: int | None
    after: str


def page_of(
    database: Database, view: View, classes: tuple[str, ...], *, after: str = "", start: int = 0, count: int = PAGE
) -> Page:
    """A page.

    Args:
        database: the project's.
        view: what is looked at.
        classes: names of the data's classes.
        after: the place that the last page ended at; empty begins at `start`.
        start: how many pictures of the view come before.
        count: how many the page has at most.

    Raises:
        ArgumentError: a place or a number that is none.
    """
    if not (0 < count <= MOST_PAGE and start >= 0):
        raise ArgumentError(f"count: need 1 to {MOST_PAGE} pictures from 0 on, got {count} from {start}")
    key, down = BY[view.order]
    begin = None if after else start
    chosen = Chosen.by(view, classes)
    if after:
        value, id_ = _placed(after)
        beyond = "<" if down else ">"
        chosen.where.append(f"{key} {beyond}= :value AND ({key} {beyond} :value OR {chosen.id} > :id)")
        chosen.values |= {"value": value, "id": id_}
    chosen.values |= {"count": count + 1, "start": begin or 0}
    order = "DESC" if down else "ASC"
    numbers = chosen.select(f"{chosen.id} AS id, {key} AS key")
    numbers += f" ORDER BY {key} {order}, {chosen.id} LIMIT :count OFFSET :start"
    text = f"{whole(view, f'({numbers})')} ORDER BY chosen.key {order}, chosen.id"
    with database.reading() as connection:
        rows = connection.execute(text, chosen.values).fetchall()
        shown = rows[:count]
        found = findings_of(connection, [row["id"] for row in shown])
    pictures = tuple(picture_from(row, view, classes, found) for row in shown)
    after = f"{shown[-1]['key']!r},{shown[-1]['id']}" if len(rows) > count else ""
    return Page(pictures, begin, after)


def picture_of(database: Database, view: View, classes: tuple[str, ...], number: int) -> Picture:
    """One picture of the view's data, whatever the view leaves out.

    Raises:
        ArgumentError: the data has no such picture.
    """
    values = {"data": view.data, "model": view.model, "beside": view.beside, "id": number}
    text = whole(view, "(SELECT id, 0 AS key FROM pictures WHERE data = :data AND id = :id)")
    with database.reading() as connection:
        row = connection.execute(text, values).fetchone()
        if row is None:
            raise ArgumentError(f"picture: need the number of one of this data, got {number}")
        return picture_from(row, view, classes, findings_of(connection, [number]))


def neighbor_of(database: Database, view: View, classes: tuple[str, ...], number: int, *, onward: bool) -> int | None:
    """The number of the picture behind one in the view's order, or before it; None where there is none.

    The one itself need not be in the view any more, as it was decided on.
    """
    key, down = BY[view.order]
    chosen = Chosen.by(view, classes)
    own = Chosen.by(View(view.data, model=view.model, beside=view.beside, order=view.order), classes)
    where = f"{own.id} = :number AND pictures.data = :data" if "pictures" in own.tables else f"{own.id} = :number"
    falls = down == onward
    sign, order = ("<", "DESC") if falls else (">", "ASC")
    beyond, way = (">", "ASC") if onward else ("<", "DESC")
    with database.reading() as connection:
        values = chosen.values | {"number": number}
        found = connection.execute(
            f"SELECT {key} FROM {own.tables} WHERE {own.where[0]} AND {where}", values
        ).fetchone()
        if found is None:
            return None
        chosen.where.append(f"{key} {sign}= :value AND ({key} {sign} :value OR {chosen.id} {beyond} :number)")
        text = f"{chosen.select(chosen.id)} ORDER BY {key} {order}, {chosen.id} {way} LIMIT 1"
        row = connection.execute(text, values | {"value": found[0]}).fetchone()
    return None if row is None else int(row[0])


def count_of(database: Database, view: View, classes: tuple[str, ...], total: int | None = None) -> int:
    """How many pictures the view has; `total`, where that is known of all the data, spares counting them."""
    chosen = Chosen.by(view, classes)
    if total is not None and chosen.is_all:
        return total
    with database.reading() as connection:
        return int(connection.execute(chosen.select("count(*)"), chosen.values).fetchone()[0])


def _placed(text: str) -> tuple[float, int]:
    value, _, id_ = text.rpartition(",")
    try:
        return float(value), int(id_)
    except ValueError:
        raise ArgumentError(f"after: need the place that a page ended at, got {text!r:.40}") from None
