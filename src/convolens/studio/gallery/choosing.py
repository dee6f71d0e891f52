"""Which pictures a view has, in SQL: tables, conditions and orders.

Each order goes along an index, so that the last page of a hundred thousand pictures costs what the first does. Numbers
are chosen first, and what is known of them is looked up afterwards: what is sorted and skipped is narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convolens.studio.gallery.view import NOTHING, View

_DIFFER = "(one.label <> other.label) + abs(one.score - other.score)"
# By what each order goes: the expression, and whether downwards. Ties go by the number of the row.
BY = {
    "number": ("pictures.number", False),
    "wrong": ("pictures.wrong", True),
    "mistake": ("one.mistake", True),
    "unsure": ("one.unsure", True),
    "differ": (_DIFFER, True),
    "alike": ("pictures.alike", False),
    "findings": ("pictures.findings", True),
    "side": ("pictures.side", False),
}
OF_DATA = "pictures.data = :data"
# Where less is known of a picture it is not of the order.
_KNOWN = {"wrong": ">= 0", "alike": "> 0", "findings": "> 0"}


@dataclass
class Chosen:
    """Which pictures a view has: the tables that are asked, the conditions, and their values."""

    id: str
    tables: str
    where: list[str]
    values: dict[str, Any]

    @classmethod
    def by(cls, view: View, classes: tuple[str, ...]) -> Chosen:
        """Those of a view of data with these classes."""
        values: dict[str, Any] = {"data": view.data, "model": view.model, "beside": view.beside}
        own, of_model = list(_of_pictures(view, classes, values)), list(_of_model(view, values))
        if view.order in (
            "mistake",
            "unsure",
        ):  # along the model's index, with its pictures looked up if they are asked
            joined = " CROSS JOIN pictures ON pictures.id = one.picture" * bool(own)
            return cls("one.picture", f"predictions AS one{joined}", ["one.model = :model", *own, *of_model], values)
        tables = "pictures"
        if of_model or view.order == "differ":
            tables += " JOIN predictions AS one ON one.picture = pictures.id AND one.model = :model"
        if view.order == "differ":
            tables += " JOIN predictions AS other ON other.picture = pictures.id AND other.model = :beside"
        return cls("pictures.id", tables, [OF_DATA, *own, *of_model], values)

    @property
    def is_all(self) -> bool:
        """Whether these are all pictures of the data."""
        return self.tables == "pictures" and self.where == [OF_DATA]

    def select(self, what: str) -> str:
        """The query for something about them."""
        return f"SELECT {what} FROM {self.tables} WHERE {' AND '.join(self.where)}"


def whole(view: View, chosen: str) -> str:
    """The query for all that is known of some pictures."""
    columns, tables = "pictures.*, chosen.key", f"{chosen} AS chosen JOIN pictures ON pictures.id = chosen.id"
    for name, model, number in (("one", "model", view.model), ("other", "beside", view.beside)):
        if number:
            columns += "".join(f", {name}.{column} AS {name}_{column}" for column in ("label", "score", "found"))
            tables += f" LEFT JOIN predictions AS {name} ON {name}.picture = pictures.id AND {name}.model = :{model}"
    return f"SELECT {columns} FROM {tables}"


def _of_pictures(view: View, classes: tuple[str, ...], values: dict[str, Any]) -> Iterator[str]:
    shown = "SELECT 1 FROM shown WHERE shown.picture = pictures.id"
    if view.label == NOTHING and NOTHING not in classes:
        yield f"NOT EXISTS ({shown})"
    elif view.label:
        values["class"] = classes.index(view.label) if view.label in classes else -1
        yield f"EXISTS ({shown} AND shown.class = :class)"
    if view.split:
        values["split"] = view.split
        yield "pictures.split = :split"
    if view.smallest:
        values["smallest"] = view.smallest
        yield "pictures.side >= :smallest"
    if view.largest:
        values["largest"] = view.largest
        yield "pictures.side <= :largest"
    if view.decided:
        values["decided"] = "" if view.decided == "undecided" else view.decided
        yield "pictures.decision = :decided"
    if view.finding:
        values["finding"] = view.finding
        yield "EXISTS (SELECT 1 FROM findings WHERE findings.picture = pictures.id AND findings.kind = :finding)"
    if view.order in _KNOWN:
        yield f"{BY[view.order][0]} {_KNOWN[view.order]}"


def _of_model(view: View, values: dict[str, Any]) -> Iterator[str]:
    if view.order == "mistake":
        yield "one.mistake >= 0"
    if view.predicted:
        values["predicted"] = "" if view.predicted == NOTHING else view.predicted
        yield "one.label = :predicted"
    if view.right:
        yield f"one.mistake {'= -1' if view.right == 'yes' else '>= 0'}"
    if view.above > 0:
        values["above"] = view.above
        yield "one.score >= :above"
    if view.below < 1:
        values["below"] = view.below
        yield "one.score < :below"
