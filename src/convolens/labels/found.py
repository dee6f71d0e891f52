"""What was found of a data set's labels, and its words for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from convolens.data import DataSet, Skipped
from convolens.errors import printable
from convolens.labels.changes import RELABEL, UNDECIDED, Change, need_probability, path_in_data, write_changes
from convolens.media.files import AnyPath
from convolens.media.found_pictures import File

NAMED = 12  # suspects on the terminal
ROW = ("path", "label", "suggested", "probability", "like_label", "like_suggested")  # the columns of a table


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong.

    Attributes:
        path: the picture.
        label: what the data says.
        suggested: the class that is likeliest in its place.
        probability: that the label is wrong.
        like_label: the picture of the label's class that is most like it; None where there is none but it.
        like_suggested: the one of the suggested class.
    """

    path: File
    label: str
    suggested: str
    probability: float
    like_label: File | None
    like_suggested: File | None


@dataclass(frozen=True)
class LabelCheck:
    """What was found.

    Attributes:
        data: as it was read.
        judged: how many pictures were judged.
        agreement: the fraction of labels that heads predict which did not learn them.
        interval: of the agreement, 95%.
        expected: how many wrong labels there are likely to be, those too that cannot be named.
        suspects: likeliest first.
        mistaken: `(label, likely, pictures)` for each two classes of which one is often predicted as the other.
        notes: what else is worth knowing: how little can be told, and of what.
        skipped: files that could not be used.
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

    def changes(self, accept: float | None = None) -> list[Change]:
        """A line for each suspect.

        Args:
            accept: the probability at or above which a suspect is decided to be relabelled; None decides nothing.
        """
        accept = need_probability(accept)
        return [
            Change(path_in_data(self.data.root, one.path), one.label, one.suggested, f"{one.probability:.4f}",
                   RELABEL if accept is not None and one.probability >= accept else UNDECIDED)
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
        """A row for each suspect, for a table: the columns of `ROW`."""
        return [{name: value if isinstance(value, float) else str(value or "") for name, value in asdict(one).items()}
                for one in self.suspects]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON; paths become text."""
        own = {
            name: getattr(self, name) for name in ("judged", "agreement", "interval", "expected", "mistaken", "notes")
        }
        skipped = [{"path": str(one.path), "reason": one.reason} for one in self.skipped]
        return {
            "data": str(self.data.root),
            **own,
            "suspects": [asdict(one) for one in self.suspects],
            "skipped": skipped,
        }

    @property
    def name(self) -> str:
        """The data's name, without where it is."""
        return str(self.data.root).rstrip("/").rpartition("/")[2]

    @property
    def verdict(self) -> str:
        """One line: how many suspects, and how many wrong labels are likely in all."""
        count, about = len(self.suspects), f"about {self.expected:.0f} of {self.judged:,}"
        if not count:
            return f"no label is likely wrong; {about} may be"
        return f"{count:,} label{'s are' if count > 1 else ' is'} likely wrong; {about} are, named or not"

    def __str__(self) -> str:
        return "\n".join(map(printable, _lines(self)))  # names of files and classes come from anywhere


def _lines(found: LabelCheck) -> Iterator[str]:
    low, high = found.interval
    yield (
        f"{found.judged:,} pictures; heads that did not learn them agree with {found.agreement:.1%} of the labels "
        f"({low:.1%} to {high:.1%})"
    )
    for note in found.notes:
        yield f"note  {note}"
    for label, likely, count in found.mistaken:
        yield f"note  {count:,} of {label} look like {likely}: labels are mixed, or the features cannot tell"
    for one in found.suspects[:NAMED]:
        yield from _suspect_lines(one, found)
    if len(found.suspects) > NAMED:
        yield f"      … {len(found.suspects) - NAMED:,} more"
    yield found.verdict


def _suspect_lines(one: Suspect, found: LabelCheck) -> Iterator[str]:
    def where(path: object) -> str:
        return path_in_data(found.data.root, path) if path is not None else "none"  # type: ignore[arg-type]

    yield f"{one.probability:4.0%}  {where(one.path)}: {one.label}, likely {one.suggested}"
    yield f"      most alike: {where(one.like_suggested)}; of {one.label}: {where(one.like_label)}"
