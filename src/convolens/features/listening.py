"""What is heard when, in a recording of any length: one pass, whose windows share what they have in common.

A classifier of sounds becomes a convolution (`convolutionalize`), and gives a probability of each class in each window,
as wide as what the network takes at once, one at each of its strides. When a sound begins and ends is told by the
recording itself: where its level rises from its background. What does so is named by the window around it, up to the
sounds beside it; what is named and does not rise, such as a hum, lasts as long as windows are sure of it.

Where a network pads, as most do, the pass sees a window's neighbours where the window alone has a border, and one whose
cells see as far as a window is wide may name something else. So the pass only says where to look: whatever is named is
named by a window that goes through the network alone, as `predict` would have it.

Memory: a block of the recording, a few hundred bytes for each of its seconds, and its picture as `recording` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convolens.arrays import Real, as_real, as_whole
from convolens.effects.sounds.heard import pictures_of, seconds_in
from convolens.effects.sounds.hearing import Hearing, background, hears
from convolens.errors import ArgumentError, FormatError
from convolens.features.convolutionalize import Scanner, convolutionalize
from convolens.features.recording import Recording
from convolens.media.files import AnyPath
from convolens.models.inputs import evaluating
from convolens.results import Prediction

BLOCK = 2048  # columns at a time, 20 s: of a longer block the maps no longer stay in the caches
LONGEST = 2  # widths of a window: what rises for longer is named by all windows in it
ASKED = 16  # windows of which the pass is not sure, which are asked alone whether it is right


@dataclass(frozen=True)
class Event:
    """Something that was heard.

    Attributes:
        label: its class.
        start: seconds from the recording's beginning.
        end: likewise.
        probability: of the class, in the window around it.
        familiar: how like those that the model learned from it is, from 0 to 1; None where the model does not know.
        unknown: whether that is less than what was asked for; None where nothing was.
        low: the lowest pitch in Hz, by a detector; None where a classifier heard it.
        high: likewise the highest.
    """

    label: str
    start: float
    end: float
    probability: float
    familiar: float | None = None
    unknown: bool | None = None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, as JSON has it; without what is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        named = f"unknown, most like {self.label}" if self.unknown else self.label
        pitches = "" if self.low is None else f", {self.low:,.0f}-{self.high:,.0f} Hz"
        return f"{self.start:.2f}-{self.end:.2f} s{pitches}  {named}  {self.probability:.1%}"


@dataclass(frozen=True)
class Listened:
    """What was heard in a sound file.

    Attributes:
        seconds: how long it lasts.
        events: in order of their beginning.
        labels: the classes, likeliest first.
        scores: of each, the highest probability in any window that was asked alone; they do not add up to 1.
    """

    seconds: float
    events: tuple[Event, ...]
    labels: tuple[str, ...] = field(default=())
    scores: tuple[float, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """As plain data, as JSON has it."""
        return {**asdict(self), "events": [one.to_dict() for one in self.events]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.events))


def listen(
    model: Any, path: AnyPath, *, threshold: Real = 0.5, unknown: Real | None = None, batch: int = 16
) -> Listened:
    """Says what is heard when in a sound file, by one pass over it; of a detector also at which pitches.

    Args:
        model: a classifier or a detector that was trained by sounds.
        path: a sound file of any length.
        threshold: the probability from which on a class is named.
        unknown: as of a classifier's `predict`: calls what is heard unknown where it is like nothing the model learned
            from, such that of what is like it a fraction of at most `unknown` is called so too.
        batch: how many windows go through the network at once.

    Raises:
        ArgumentError: a model that takes pictures; a threshold that is no probability; or `unknown` of a model that
            does not know what it learned from.
        FileError, FormatError: no sound; silence; or a sound of less than an eighth of what the network takes at once.
    """
    if not hears(model):
        raise ArgumentError("model: need one that was trained by sounds to listen, got one that takes pictures")
    as_real(threshold, "threshold", "a number from 0 to 1", lambda value: 0 <= value <= 1)
    if model.task == "detect":
        return _detected(model, path, threshold, unknown, batch)
    hearing: Hearing = model.preprocessing.sound
    scanner = convolutionalize(model, (hearing.bands, hearing.columns))
    with Recording(hearing) as recording, evaluating(model):
        windows = list(_windows(model, scanner, recording.through(pictures_of(path, hearing))))
        if recording.columns <= hearing.columns // 8:
            need = f"need a sound of more than {hearing.seconds / 8:.2g} s"
            raise FormatError(f"{path}: {need}, got {hearing.time_of(recording.columns):.2g} s")
        if not recording.sounds:
            raise FormatError(f"{path}: need a sound, got {hearing.time_of(recording.columns):.2g} s of silence")
        likely = np.concatenate(windows, axis=1)
        centers = np.arange(likely.shape[1]) * scanner.stride + scanner.window[1] / 2 - lead(scanner)
        asked = _Asked(model, recording, unknown, batch)
        found = sorted(_heard(likely, centers, asked, float(threshold)), key=lambda one: one.start)
    order = np.argsort(-asked.highest, kind="stable")
    return Listened(
        hearing.time_of(recording.columns),
        tuple(found),
        tuple(model.class_names[at] for at in order),
        tuple(float(asked.highest[at]) for at in order),
    )


def _detected(model: Any, path: AnyPath, threshold: Real, unknown: Real | None, batch: int) -> Listened:
    """What a detector finds in windows, each half in the next, which holds no more of the sound than two of them."""
    if unknown is not None:
        raise ArgumentError(f"unknown: need a classifier, as a detector does not know what it learned, got {unknown}")
    hearing: Hearing = model.preprocessing.sound
    lasts, highest = seconds_in(path), dict.fromkeys(model.class_names, 0.0)
    if lasts <= hearing.seconds / 8:
        raise FormatError(f"{path}: need a sound of more than {hearing.seconds / 8:.2g} s, got {lasts:.2g} s")
    found = model.predict(path, threshold=threshold, batch=batch)
    events = []
    for box, label, score in zip(found.boxes_xyxy.tolist(), found.labels, found.scores.tolist(), strict=True):
        start, end, low, high = hearing.span_of(box)
        highest[label] = max(highest[label], score)
        if start < lasts:  # and not in the background that a short sound is put before
            events.append(Event(label, max(start, 0.0), min(end, lasts), score, low=low, high=high))
    names = sorted(highest, key=highest.__getitem__, reverse=True)
    scores = tuple(highest[name] for name in names)
    return Listened(lasts, tuple(sorted(events, key=lambda one: one.start)), tuple(names), scores)


class _Asked:
    """Windows of a recording, each through the network alone.

    Attributes:
        highest: of each class, the highest probability so far.
    """

    def __init__(self, model: Any, recording: Recording, unknown: Real | None, batch: int) -> None:
        self.model, self.recording = model, recording
        self._unknown, self._batch = unknown, as_whole(batch, "batch", 1)
        self.highest = np.zeros(len(model.class_names), np.float32)
        self._numbers = {name: number for number, name in enumerate(model.class_names)}

    def __call__(self, windows: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], list[Prediction]]:
        """The probability of each class in each window, `(classes, windows)`, and the predictions."""
        found: list[Prediction] = []
        waiting = iter(windows)
        while some := list(islice(waiting, self._batch)):
            found += self.model.predict(some, unknown=self._unknown, batch=self._batch)
        likely = np.zeros((len(self.highest), len(found)), np.float32)
        for at, one in enumerate(found):
            likely[[self._numbers[name] for name in one.labels], at] = one.scores
        self.highest = np.maximum(self.highest, likely.max(axis=1, initial=0))
        return likely, found


def _heard(likely: NDArray[np.float32], centers: NDArray[Any], asked: _Asked, threshold: float) -> Iterator[Event]:
    """The events, by windows that were asked alone; the pass, whose probabilities are given, says which to ask."""
    recording, width = asked.recording, asked.recording.hearing.columns
    segments = recording.segments()
    short = [one for one in segments if one[1] - one[0] <= LONGEST * width]
    of_short, said = asked(_windows_of(short, segments, recording))
    free = _free(centers, short, width)
    likely = _asked_between(
        likely, free, threshold, lambda some: asked(_between(centers[at], short, recording) for at in some)[0]
    )
    for label, first, last, sure, which in _events(
        likely, centers, short, of_short, free, threshold, asked.model.multi_label
    ):
        prediction = said[which] if which is not None else asked([recording.window(first, last)])[1][0]
        times = (recording.hearing.time_of(max(0, first)), recording.hearing.time_of(min(last, recording.columns)))
        yield Event(asked.model.class_names[label], *times, sure, prediction.familiar, prediction.unknown)


def lead(scanner: Scanner) -> int:
    """Columns of background before the recording, so that windows are around its very beginning, too."""
    return -(-scanner.window[1] // 2 // scanner.stride) * scanner.stride


def _windows(model: Any, scanner: Scanner, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    """The probability of each class in each window, `(classes, windows)`, a block at a time.

    Blocks overlap by what a window's outermost cells see beside it, so that they give what the whole would.
    """
    stride, width, ends = scanner.stride, scanner.window[1], lead(scanner)
    margin = -(-model.trunk.receptive_field(model.taps[0]).size // stride) * stride
    held, before, begun = np.zeros((scanner.window[0], 0), np.uint8), 0, False
    for part in pictures:
        if not begun:
            held, begun = np.repeat(background(part)[:, None], ends, axis=1), True
        held = np.concatenate([held, part], axis=1)
        while held.shape[1] >= before + BLOCK + width + margin:
            yield _scored(model, scanner, held[:, : before + BLOCK + width + margin])[:, before // stride :][
                :, : BLOCK // stride
            ]
            kept = min(margin, before + BLOCK)
            held, before = held[:, before + BLOCK - kept :], kept
    after = max(ends, width - (held.shape[1] - before)) + stride
    held = np.concatenate([held, np.repeat(background(held)[:, None], after, axis=1)], axis=1)
    yield _scored(model, scanner, held)[:, before // stride :]


def _scored(model: Any, scanner: Scanner, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    parameter = next(model.parameters())
    unit = torch.from_numpy(np.ascontiguousarray(picture))[None, None].to(parameter.device).float() / 255
    with torch.inference_mode():
        scores = scanner(model.preprocessing.normalize(unit))[0, :, 0].T
        found: NDArray[np.float32] = model.probabilities(scores).T.cpu().numpy()
    return found


def _windows_of(
    short: Sequence[tuple[int, int]], segments: Sequence[tuple[int, int]], recording: Recording
) -> Iterator[NDArray[np.uint8]]:
    """The window around each segment, up to the segments beside it: what they say is not what this one says."""
    ends = [0, *(last for _, last in segments)]
    begins = [*(first for first, _ in segments), recording.columns]
    for first, last in short:
        at = segments.index((first, last))
        yield recording.window(first, last, ends[at], begins[at + 1])


def _between(center: float, short: Sequence[tuple[int, int]], recording: Recording) -> NDArray[np.uint8]:
    """The window around a moment at which nothing rises, without the sounds beside it."""
    begin = max((last for _, last in short if last <= center), default=0)
    end = min((first for first, _ in short if first >= center), default=recording.columns)
    return recording.window(center, center, begin, max(end, begin + 1))


def _free(centers: NDArray[Any], segments: Sequence[tuple[int, int]], width: int) -> NDArray[np.bool_]:
    """Of each window, whether no segment is in it."""
    free = np.ones(len(centers), bool)
    for first, last in segments:
        free &= (centers < first - width / 2) | (centers > last + width / 2)
    return free


def _asked_between(
    likely: NDArray[np.float32],
    free: NDArray[np.bool_],
    threshold: float,
    ask: Callable[[NDArray[Any]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The probabilities, those of free windows asked alone as far as the pass is sure of them.

    Of those that it is not sure of some are asked, and all where it was wrong about one of these.

    Args:
        likely: `(classes, windows)`, by the pass.
        free: the windows between what rises.
        threshold: see `listen`.
        ask: gives `(classes, …)` of windows by their numbers.
    """
    found = likely.copy()
    sure = np.flatnonzero(free & (likely.max(axis=0) >= threshold))
    unsure = np.flatnonzero(free & (likely.max(axis=0) < threshold))
    some = np.unique(np.linspace(0, len(unsure) - 1, min(ASKED, len(unsure))).round().astype(int))
    asked = np.union1d(sure, unsure[some])
    found[:, asked] = ask(asked)
    if (found[:, unsure[some]] >= threshold).any():
        left = np.setdiff1d(unsure, asked)
        found[:, left] = ask(left)
    return found


def _events(
    likely: NDArray[np.float32],
    centers: NDArray[Any],
    segments: Sequence[tuple[int, int]],
    of_segments: NDArray[np.float32],
    free: NDArray[np.bool_],
    threshold: float,
    multi_label: bool,
) -> Iterator[tuple[int, float, float, float, int | None]]:
    """Class, first and last column and probability of what is heard, and the number of its segment.

    Args:
        likely: `(classes, windows)`.
        centers: the column in the middle of each window.
        segments: where the recording rises.
        of_segments: `(classes, segments)`, what the window around each says.
        free: the windows between the segments.
        threshold: see `listen`.
        multi_label: whether several classes may be heard at once.
    """
    for number, (first, last) in enumerate(segments):
        for label in _named(of_segments[:, number], threshold, multi_label):
            yield label, first, last, float(of_segments[label, number]), number
    stride = float(centers[1] - centers[0]) if len(centers) > 1 else 0.0
    for label in range(len(likely)):
        sure = free & (likely[label] >= threshold)
        if not multi_label:
            sure &= likely.argmax(axis=0) == label
        edges = np.flatnonzero(np.diff(np.r_[0, sure.astype(np.int8), 0]))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin > 1:
                highest = float(likely[label, begin:end].max())
                yield label, centers[begin] - stride / 2, centers[end - 1] + stride / 2, highest, None


def _named(likely: NDArray[np.float32], threshold: float, multi_label: bool) -> list[int]:
    if multi_label:
        return [int(at) for at in np.flatnonzero(likely >= threshold)]
    return [int(likely.argmax())] if likely.max() >= threshold else []
