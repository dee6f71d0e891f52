"""Labels of sounds in text files beside them: what is heard from when to when, and between which pitches.

What the formats of such files share: which file is of which sound, what a label must be, and the examples that labels
become. With pitches they are boxes in the picture of time and pitch, an example for each sound; without they are
classes, an example for each part. A sound without such a file is one that nobody has annotated, and is left out; an
empty file says that nothing is heard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import annotation_files, listed, numbered
from convolens.effects.sounds.heard import heard, is_sound, rate_in, seconds_in
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import DataError, FileError, did_you_mean

HEARING = Hearing()  # until a network says how it hears
SLACK = 0.05  # seconds that a label may reach past the end: what rounding in other programs makes
SUFFIX = ".txt"
MOST = 1e9  # seconds or Hz: more is no number of either
FIRST = 20  # files by which a folder is known
_ENDINGS = re.compile(r"(\.Table\.\d+)?(\.selections)?$", re.IGNORECASE)  # of Raven's names


@dataclass(frozen=True, slots=True)
class Span:
    """A label: what is heard, from when to when in seconds, and between which pitches in Hz, where that is said."""

    label: str
    start: float
    end: float
    low: float | None = None
    high: float | None = None


@dataclass
class Labeled:
    """A sound file, how long it lasts and its highest pitch, and its labels, each with where it is said."""

    sound: Path
    split: str
    seconds: float
    highest: float
    spans: list[tuple[Span, str]] = field(default_factory=list)


class LabelError(ValueError):
    """A label that cannot be used: what was needed and what was found."""


# A label in a text: where it is, and what gives it with the name of its sound, if one is said, or raises a LabelError.
Said = tuple[str, Callable[[], tuple[Span, str]]]


def recognized(path: Path, is_one: Callable[[Path], bool]) -> bool:
    """Whether it is a text file of a format, or a folder with one, beside the sound that it is of.

    Args:
        path: a file or a folder.
        is_one: whether a text is of the format, by its beginning.
    """
    if path.is_file():
        return path.suffix.lower() == SUFFIX and is_one(path)
    if not path.is_dir():
        return False
    texts = [one for one, _ in annotation_files(path, f"*{SUFFIX}")][:FIRST]
    return any(is_one(one) and (sound_beside(one) is not None or _has_sounds(one.parent)) for one in texts)


def sound_beside(text: Path) -> Path | None:
    """The sound that a file of labels is called after: `a.wav` of `a.txt`, `a-wav.txt` and `a.Table.1.selections.txt`.

    None where there is none in its folder.
    """
    stem = _ENDINGS.sub("", text.stem)
    return next((one for one in _sounds_in(text.parent) if stem in (one.stem, one.name.replace(".", "-"), one.name)),
                None)  # fmt: skip


def reading_of(
    root: Path,
    known: tuple[str, ...] | None,
    is_one: Callable[[Path], bool],
    labels_in: Callable[[Path], Iterable[Said]],
    what: str,
) -> Reading:
    """What the files of labels at a path say.

    Args:
        root: one file, or a folder with such files at its top or in `train`, `val` and `test`.
        known: the class names that must hold, if any.
        is_one: whether a text is of the format.
        labels_in: what a text says.
        what: the files are called.

    Raises:
        DataError: none of the files is of a sound that is there.
    """
    gathered = _Gathered()
    for text, split in annotation_files(root, f"*{SUFFIX}"):
        if text == root or is_one(text) or (sound_beside(text) is not None and not text.stat().st_size):
            gathered.add(text, split, labels_in(text))
    if not gathered.sounds and not gathered.faults:
        raise DataError(f"{root}: need {what} beside the sounds that they are of, found none")
    sounds, faults = [gathered.sounds[one] for one in sorted(gathered.sounds)], gathered.faults
    names = numbered({span.label for one in sounds for span, _ in one.spans}, known)
    boxes = any(span.low is not None for one in sounds for span, _ in one.spans)
    examples = [example for one in sounds for example in _examples(one, names, boxes, faults)]
    notes = [
        Fault(one, "not annotated", f"{one}: need {what} beside it to be learned from, found none; it is left out")
        for one in gathered.without_labels(root)
    ]
    return Reading(DataSet(root, names, tuple(examples), "boxes" if boxes else "label"), tuple(faults), tuple(notes))


def number_in(cell: str, name: str) -> float:
    """The number in a cell.

    Raises:
        LabelError: there is none.
    """
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not abs(value) < MOST:
        raise LabelError(f"need {name} as a number, got {cell!r:.60}")
    return value


class _Gathered:
    """Sounds with what all files say of each, and what in these cannot be used."""

    def __init__(self) -> None:
        self.sounds: dict[Path, Labeled] = {}
        self.faults: list[Fault] = []
        self._folders: set[Path] = set()

    def add(self, text: Path, split: str, labels: Iterable[Said]) -> None:
        """Adds what a file says of one sound, or of several that it names."""
        self._folders.add(text.parent)
        beside = sound_beside(text)
        try:
            if beside is not None:  # whose text may be empty
                self._labeled(beside, split)
        except FileError as error:
            self.faults.append(Fault(beside or text, "unreadable sound", str(error)))
            return
        for where, label in labels:
            try:
                span, name = label()
                sound = _named(text, name) if name else beside
                if sound is None:
                    raise LabelError(f"need a sound called {_ENDINGS.sub('', text.stem)} beside it, found none")
                labeled = self._labeled(sound, split)
                _need_fitting(span, labeled)
            except (LabelError, FileError) as error:
                self.faults.append(Fault(text, "unreadable row", f"{where}: {error}"))
            else:
                labeled.spans.append((span, where))

    def _labeled(self, sound: Path, split: str) -> Labeled:
        if sound not in self.sounds:
            self.sounds[sound] = Labeled(sound, split, seconds_in(sound), rate_in(sound) / 2)
        return self.sounds[sound]

    def without_labels(self, root: Path) -> list[Path]:
        """Sounds that lie beside files of labels and have none; not where one file alone was given."""
        folders = [] if root.is_file() else sorted(self._folders)
        return [one for folder in folders for one in _sounds_in(folder) if one not in self.sounds]


def _named(text: Path, name: str) -> Path:
    last = name.replace("\\", "/").rpartition("/")[2]
    found = next((one for one in _sounds_in(text.parent) if one.name == last), None)
    if found is None:
        raise LabelError(f"need the sound {last} beside it, found none")
    return found


def _need_fitting(span: Span, labeled: Labeled) -> None:
    """Raises a `LabelError` for a label that its sound cannot have."""
    if not span.label:
        raise LabelError("need a label, got an empty one")
    if span.start < 0 or span.end <= span.start:
        raise LabelError(f"need an end after the start, got {span.start:g} to {span.end:g} s")
    name, lasts, highest = labeled.sound.name, labeled.seconds, labeled.highest
    if span.end > lasts + SLACK:
        got = f"{span.start:g} to {span.end:g} s"
        raise LabelError(f"need times within {name}, which lasts {lasts:.2f} s, got {got}")
    if span.low is None or span.high is None:
        return
    if span.low < 0 or span.high <= span.low:
        raise LabelError(f"need a highest pitch above the lowest, got {span.low:g} to {span.high:g} Hz")
    if span.low >= highest:
        raise LabelError(f"need pitches within {name}, which has none above {highest:g} Hz, got {span.low:g} Hz "
                         "as the lowest")  # fmt: skip


def _examples(labeled: Labeled, names: tuple[str, ...], boxes: bool, faults: list[Fault]) -> Iterator[Example]:
    """One of all boxes, or one for each part."""
    known: list[Span] = []
    for span, where in labeled.spans:
        if span.label in names:
            known.append(span)
        else:
            need = f"{where}: need labels of the model's classes ({listed(names)}), got {span.label!r}"
            faults.append(Fault(labeled.sound, "unknown class", need + did_you_mean(span.label, names)))
    if boxes:
        found = tuple(_box(span, names.index(span.label), labeled.highest) for span in known)
        labels = tuple(sorted({box.label for box in found}))
        yield Example(heard(labeled.sound, HEARING), labels, found, labeled.split)
        return
    for span in known:
        part = heard(labeled.sound, HEARING, span.start, span.end)
        yield Example(part, (names.index(span.label),), split=labeled.split)


def _box(span: Span, label: int, highest: float) -> Box:
    low, high = (0.0, highest) if span.low is None or span.high is None else (span.low, min(span.high, highest))
    return Box(label, HEARING.box_of(span.start, span.end, low, high))


def _sounds_in(folder: Path) -> Sequence[Path]:
    return sorted(one for one in folder.iterdir() if is_sound(one.name))


def _has_sounds(folder: Path) -> bool:
    return any(is_sound(one.name) for one in folder.iterdir())
