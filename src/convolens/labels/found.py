"""What was found of a data set's labels, and its words for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from convolens.data import DataSet, Skipped
from convolens.errors import printable
from convolens.labels.change_files import write_changes
from convolens.labels.changes import (
    FIX,
    UNDECIDED,
    Change,
    Corners,
    Object,
    corners_text,
    need_probability,
    path_in_data,
)
from convolens.media.files import AnyPath
from convolens.media.found_pictures import File

AT_LEAST = 0.5  # the probability of being wrong: more likely than right
NAMED = 12  # suspects on the terminal
ROW = ("path", "label", "suggested", "probability", "like_label", "like_suggested")  # the columns of a table
BOX_ROW = ("path", "label", "suggested", "probability", "kind", "box", "suggested_box")  # of data with boxes
INVENTED, MISSING, SHIFTED, CONFUSED = KINDS = ("invented", "missing", "shifted", "confused")


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong, or a box.

    Attributes:
        path: the picture.
        label: what the data says; empty for an object that it does not know.
        suggested: the class that is likeliest in its place; empty where likely nothing is.
        probability: that the data is wrong there.
        like_label: the picture of the label's class that is most like it; None where there is none but it.
        like_suggested: the one of the suggested class.
        box_xyxy: of data with boxes, where the data says that it is.
        suggested_box: where it likely is.
    """

    path: File
    label: str
    suggested: str
    probability: float
    like_label: File | None = None
    like_suggested: File | None = None
    box_xyxy: Corners | None = None
    suggested_box: Corners | None = None

    @property
    def kind(self) -> str:
        """How it is wrong: one of `KINDS`; a label is confused."""
        if not self.suggested:
            return INVENTED
        if not self.label:
            return MISSING
        return SHIFTED if self.label == self.suggested else CONFUSED

    @property
    def said(self) -> tuple[Object, ...]:
        """The object that the data says there is, or none."""
        return (Object(self.label, self.box_xyxy),) if self.label else ()

    @property
    def likely(self) -> tuple[Object, ...]:
        """The object that there likely is, or none."""
        return (Object(self.suggested, self.suggested_box),) if self.suggested else ()


@dataclass(frozen=True)
class LabelCheck:
    """What was found.

    Attributes:
        data: as it was read.
        judged: how many labels were judged: of pictures, or of boxes.
        agreement: the fraction of labels that heads predict which did not learn them; of boxes that are found as said.
        interval: of the agreement, 95%.
        expected: how many wrong ones there are likely to be, those too that cannot be named.
        suspects: likeliest first.
        mistaken: `(label, likely, pictures)` for each two classes of which one is often predicted as the other.
        notes: what else is worth knowing: how little can be told, and of what.
        skipped: files that could not be used.
        leaks: pictures that are nearly one of another split by their features, each with that one, the nearest first.
    """

    data: DataSet
    judged: int
    agreement: float
    interval: tuple[float, float]
    expected: float
    suspects: tuple[Suspect, ...]
    mistaken: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    leaks: tuple[tuple[File, File], ...] = ()

    def changes(self, accept: float | None = None) -> list[Change]:
        """A line for each suspect.

        Args:
            accept: the probability at or above which what is suggested is decided on; None decides nothing.
        """
        accept = need_probability(accept)
        return [
            Change(path_in_data(self.data.root, one.path),
                   FIX if accept is not None and one.probability >= accept else UNDECIDED,
                   one.said, one.likely, f"{one.probability:.4f}")
            for one in self.suspects
        ]  # fmt: skip

    def save(self, path: AnyPath, *, accept: float | None = None) -> None:
        """Writes the suspects as a CSV file to decide on, which `apply_changes` takes.

        Args:
            path: usually `labels.changes.csv`.
            accept: as of `changes`.
        """
        write_changes(path, self.changes(accept))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each suspect, for a table, with the columns of `columns`."""
        return [{name: _cell(value) for name, value in _cells(one).items() if name in self.columns}
                for one in self.suspects]  # fmt: skip

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a table: `ROW`, or of data with boxes `BOX_ROW`."""
        return BOX_ROW if self.of_boxes else ROW

    @property
    def of_boxes(self) -> bool:
        """Whether the data has boxes."""
        return self.data.kind == "boxes"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON; paths become text."""
        own = {
            name: getattr(self, name) for name in ("judged", "agreement", "interval", "expected", "mistaken", "notes")
        }
        skipped = [{"path": str(one.path), "reason": one.reason} for one in self.skipped]
        return {
            "data": str(self.data.root),
            **own,
            "suspects": [asdict(one) | ({"kind": one.kind} if self.of_boxes else {}) for one in self.suspects],
            "skipped": skipped,
            "leaks": [(str(one), str(other)) for one, other in self.leaks],
        }

    @property
    def name(self) -> str:
        """The data's name, without where it is."""
        return str(self.data.root).rstrip("/").rpartition("/")[2]

    @property
    def verdict(self) -> str:
        """One line: how many suspects, and how many wrong labels are likely in all."""
        count, about = len(self.suspects), f"about {self.expected:.0f} of {self.judged:,}"
        what = "box" if self.of_boxes else "label"
        if not count:
            return f"no {what} is likely wrong; {about} may be"
        if self.of_boxes:
            kinds = Counter(one.kind for one in self.suspects)
            each = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS if kinds[kind])
            return (
                f"{count:,} {'boxes are' if count > 1 else 'box is'} likely wrong ({each}); {about} are, named or not"
            )
        return f"{count:,} label{'s are' if count > 1 else ' is'} likely wrong; {about} are, named or not"

    def __str__(self) -> str:
        return "\n".join(map(printable, _lines(self)))  # names of files and classes come from anywhere


def _cells(one: Suspect) -> dict[str, Any]:
    boxes = {"box": one.box_xyxy, "suggested_box": one.suggested_box}
    return asdict(one) | {"kind": one.kind} | {name: corners_text(box) if box else "" for name, box in boxes.items()}


def _cell(value: object) -> object:
    return value if isinstance(value, float) else str(value or "")


def _lines(found: LabelCheck) -> Iterator[str]:
    low, high = found.interval
    if found.of_boxes:
        who = (
            f"{found.judged:,} boxes in {len(found.data):,} pictures; a detector and heads that did not learn them find"
        )
        yield f"{who} {found.agreement:.1%} of them as they are ({low:.1%} to {high:.1%})"
    else:
        yield (
            f"{found.judged:,} pictures; heads that did not learn them agree with {found.agreement:.1%} of the labels "
            f"({low:.1%} to {high:.1%})"
        )
    for note in found.notes:
        yield f"note  {note}"
    for label, likely, count in found.mistaken:
        yield (
            f"note  {count:,} of {label} look like {likely}: labels are mixed, or the features cannot tell; decide on "
            "some of them, then merge the classes, or take another --tap or --size"
        )
    if found.leaks:
        pair = " and ".join(path_in_data(found.data.root, path) for path in found.leaks[0])
        yield (
            f"note  {len(found.leaks):,} are nearly one of another split by their features, such as {pair}: "
            "what is measured on them was learned; look, and move or take away one of each"
        )
    for one in found.suspects[:NAMED]:
        yield from _suspect_lines(one, found)
    if len(found.suspects) > NAMED:
        yield f"      … {len(found.suspects) - NAMED:,} more"
    yield found.verdict


def _suspect_lines(one: Suspect, found: LabelCheck) -> Iterator[str]:
    def where(path: object) -> str:
        return path_in_data(found.data.root, path) if path is not None else "none"  # type: ignore[arg-type]

    if found.of_boxes:
        yield f"{one.probability:4.0%}  {where(one.path)}: {in_words(one)}"
        return
    yield f"{one.probability:4.0%}  {where(one.path)}: {one.label}, likely {one.suggested}"
    yield f"      most alike: {where(one.like_suggested)}; of {one.label}: {where(one.like_label)}"


def in_words(one: Suspect) -> str:
    """What is likely wrong with a box.

    >>> from pathlib import Path
    >>> in_words(Suspect(Path("a.png"), "", "cat", 0.9, suggested_box=(1.2, 2, 3, 4)))
    'missing: cat at 1 2 3 4'
    """
    said, likely = (next(iter(some), None) for some in (one.said, one.likely))
    where = {each: f"{each.label} at {' '.join(f'{value:.0f}' for value in each.box_xyxy or ())}"
             for each in (said, likely) if each}  # fmt: skip
    if said is None or likely is None:
        return f"{one.kind}: {next(iter(where.values()))}"
    if one.kind == SHIFTED:
        return f"shifted: {where[said]}, likely at {where[likely].partition(' at ')[2]}"
    return f"confused: {where[said]}, likely {one.suggested}"
