"""What is looked at: which pictures of which data, in which order, beside which models. Every view is a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, get_args
from urllib.parse import urlencode

from convolens.arrays import as_real, as_whole
from convolens.data.dataset import SPLIT_NAMES
from convolens.errors import ArgumentError, need_one_of
from convolens.labels.changes import KEEP, RELABEL, SET_ASIDE

Order = Literal["number", "wrong", "mistake", "unsure", "differ", "alike", "findings", "side"]
FIX = "fix"  # the decision that boxes are others
DECIDED = ("undecided", KEEP, RELABEL, FIX, SET_ASIDE)
NOTHING = "-"  # as a class: pictures that show none, or in which a model found none

# What each order is called, and whether it asks for a model, or two.
ORDERS: dict[Order, tuple[str, int]] = {
    "number": ("as in the data", 0),
    "wrong": ("label most likely wrong", 0),
    "mistake": ("worst mistakes of the model", 1),
    "unsure": ("model most unsure", 1),
    "differ": ("models disagree most", 2),
    "alike": ("copies and near copies", 0),
    "findings": ("doctor's findings", 0),
    "side": ("smallest first", 0),
}


@dataclass(frozen=True)
class View:
    """A view; the fields are the URL's.

    Attributes:
        data: its number.
        label: the name of a class that pictures show; `-` for none; empty for any.
        split: `train`, `validation` or `test`; empty for any.
        model: the number of a model whose predictions are shown; 0 for none.
        beside: that of a second model.
        predicted: what the first model predicts.
        right: `yes` or `no`: whether the model is right.
        above: the smallest score of the prediction.
        below: the largest score; below 1 it is not itself meant, so that neighboring ranges share no picture.
        smallest: of the shorter side, in pixels.
        largest: as above; 0 for any.
        decided: one of `DECIDED`; empty for any.
        finding: a kind of the doctor's findings; empty for any.
        order: one of `ORDERS`.
        marks: whether boxes are drawn.

    Raises:
        ArgumentError: a value that is none of these.
    """

    data: int
    label: str = ""
    split: str = ""
    model: int = 0
    beside: int = 0
    predicted: str = ""
    right: str = ""
    above: float = 0.0
    below: float = 1.0
    smallest: int = 0
    largest: int = 0
    decided: str = ""
    finding: str = ""
    order: Order = "number"
    marks: str = "yes"

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            need_one_of(name, getattr(self, name), ("", *known))
        need_one_of("order", self.order, get_args(Order))
        asked = ORDERS[self.order][1]
        if asked > bool(self.model) + bool(self.beside) or (asked and not self.model):
            raise ArgumentError(
                f"order: need {'a model' if asked == 1 else 'two models'} for {self.order!r}, got fewer"
            )
        if (self.predicted or self.right or self.above > 0 or self.below < 1) and not self.model:
            raise ArgumentError("predicted: need the model whose predictions are meant, got none")

    @classmethod
    def from_query(cls, data: int, query: Mapping[str, str]) -> View:
        """The view of a URL's query; what is empty there is as if it were not. Other names are left alone.

        Raises:
            ArgumentError: a value that cannot be used.
        """
        values: dict[str, object] = {}
        for field in fields(cls):
            text = query.get(field.name, "")
            if field.name != "data" and text:
                values[field.name] = _value(field.name, text, field.default)
        return cls(data, **values)  # type: ignore[arg-type]

    def having(self, **values: object) -> View:
        """The same view but for some fields."""
        return replace(self, **values)  # type: ignore[arg-type]

    def query(self, **more: object) -> str:
        """As a URL's query, without what is as usual; and further names."""
        usual = {field.name: field.default for field in fields(self)}
        own = {name: value for name, value in asdict(self).items() if name != "data" and value != usual[name]}
        return urlencode(own | {name: value for name, value in more.items() if value not in (None, "")})


_KNOWN = {"split": SPLIT_NAMES, "right": ("yes", "no"), "decided": DECIDED, "marks": ("yes", "heat", "no")}


def _value(name: str, text: str, usual: object) -> object:
    if isinstance(usual, float):
        return float(as_real(_number(name, text), name, "a number from 0 to 1", lambda value: 0 <= value <= 1))
    if isinstance(usual, int):
        return as_whole(int(_number(name, text)), name, 0)
    return text


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
        if not abs(found) < 1e9:
            raise ValueError
    except ValueError:
        raise ArgumentError(f"{name}: need a number, got {text!r:.40}") from None
    return found
