"""What is heard when, in a recording of any length: one pass, whose windows share what they have in common.

A classifier of sounds becomes a convolution (`convolutionalize`), and gives a probability of each class in each window,
as wide as what the network takes at once, one at each of its strides. When a sound begins and ends is told by the
recording itself: where its level rises from its background. What does so is named by the window around it; what is
named and does not rise, such as a hum, lasts as long as windows are sure of it.

Memory: a block of the recording, and a few hundred bytes for each of its seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.effects.sounds.heard import pictures_of
from convolens.effects.sounds.hearing import Hearing, background, hears
from convolens.errors import ArgumentError, FormatError
from convolens.features.convolutionalize import Scanner, convolutionalize
from convolens.media.files import AnyPath
from convolens.models.inputs import evaluating

BLOCK = 2048  # columns at a time, 20 s: of a longer block the maps no longer stay in the caches
RISES = 1.0  # levels (0.4 dB) above a band's background, on average over the bands, that a sound rises at least
DEVIATIONS = 6.0  # of what steady noise does, that it rises besides
LONGEST = 2  # widths of a window: what rises for longer is named by all windows in it
GAP, LEAST = 0.15, 0.05  # seconds: a sound goes on behind a shorter gap, and lasts longer


@dataclass(frozen=True)
class Event:
    """Something that was heard.

    Attributes:
        label: its class.
        start: seconds from the recording's beginning.
        end: likewise.
        probability: of the class, in the window around it.
    """

    label: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Listened:
    """What was heard in a sound file.

    Attributes:
        seconds: how long it lasts.
        events: in order of their beginning.
        labels: the classes, likeliest first.
        scores: of each, the highest probability in any window; they do not add up to 1.
    """

    seconds: float
    events: tuple[Event, ...]
    labels: tuple[str, ...] = field(default=())
    scores: tuple[float, ...] = field(default=())

    def __str__(self) -> str:
        return "  ".join(f"{one.start:.2f}-{one.end:.2f} s {one.label} {one.probability:.1%}" for one in self.events)


def listen(model: Any, path: AnyPath, *, threshold: Real = 0.5) -> Listened:
    """Says what is heard when in a sound file, by one pass over it.

    Args:
        model: a classifier that was trained by sounds.
        path: a sound file of any length.
        threshold: the probability from which on a class is named.

    Raises:
        ArgumentError: a model that takes pictures, or a threshold that is no probability.
        FileError, FormatError: no sound; silence; or a sound of less than an eighth of what the network takes at once.
    """
    if not hears(model):
        raise ArgumentError("model: need one that was trained by sounds to listen, got one that takes pictures")
    as_real(threshold, "threshold", "a number from 0 to 1", lambda value: 0 <= value <= 1)
    hearing: Hearing = model.preprocessing.sound
    scanner = convolutionalize(model, (hearing.bands, hearing.columns))
    track = _Track(hearing)
    with evaluating(model):
        windows = list(_windows(model, scanner, track.through(pictures_of(path, hearing))))
    if track.columns <= hearing.columns // 8:
        need = f"need a sound of more than {hearing.seconds / 8:.2g} s"
        raise FormatError(f"{path}: {need}, got {hearing.time_of(track.columns):.2g} s")
    if not track.sounds:
        raise FormatError(f"{path}: need a sound, got {hearing.time_of(track.columns):.2g} s of silence")
    likely = np.concatenate(windows, axis=1)
    centers = np.arange(likely.shape[1]) * scanner.stride + scanner.window[1] / 2 - lead(scanner)
    events = sorted(
        _events(likely, centers, track.segments(), hearing.columns, float(threshold), model.multi_label),
        key=lambda one: one[1],
    )
    highest = likely.max(axis=1)
    order = np.argsort(-highest, kind="stable")
    return Listened(
        hearing.time_of(track.columns),
        tuple(
            Event(
                model.class_names[label],
                hearing.time_of(max(0, first)),
                hearing.time_of(min(last, track.columns)),
                sure,
            )
            for label, first, last, sure in events
        ),
        tuple(model.class_names[at] for at in order),
        tuple(float(highest[at]) for at in order),
    )


def lead(scanner: Scanner) -> int:
    """Columns of background before the recording, so that there are windows around its very beginning."""
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


class _Track:
    """How far a recording rises from its background at each time, kept while its picture goes by."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing, self.columns, self.sounds = hearing, 0, False
        self._rises: list[NDArray[np.float32]] = []

    def through(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The parts of the picture as they come, the rises of which are noted by blocks of some seconds."""
        waiting: list[NDArray[np.uint8]] = []
        for part in pictures:
            self.columns += part.shape[1]
            self.sounds = self.sounds or bool(part.any())
            waiting.append(part)
            if sum(one.shape[1] for one in waiting) >= BLOCK:
                self._note(np.concatenate(waiting, axis=1))
                waiting = []
            yield part
        if waiting:
            self._note(np.concatenate(waiting, axis=1))

    def _note(self, picture: NDArray[np.uint8]) -> None:
        usual = np.quantile(picture, 0.3, axis=1)[:, None]
        rises = np.maximum(picture - usual - 8, 0).mean(axis=0)  # 3 dB, which steady noise seldom passes
        self._rises.append(rises.astype(np.float32))

    def segments(self) -> list[tuple[int, int]]:
        """Columns from which, and up to which, the recording is above its background."""
        rises = np.concatenate(self._rises)
        middle = float(np.median(rises))
        spread = 1.4826 * float(np.median(abs(rises - middle)))
        above = np.flatnonzero(rises > middle + max(RISES, DEVIATIONS * spread))
        if not len(above):
            return []
        each = self.hearing.rate / self.hearing.hop
        cuts = np.flatnonzero(np.diff(above) > GAP * each)
        firsts, lasts = above[np.r_[0, cuts + 1]], above[np.r_[cuts, len(above) - 1]] + 1
        return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if b - a > LEAST * each]


def _events(
    likely: NDArray[np.float32],
    centers: NDArray[Any],
    segments: list[tuple[int, int]],
    width: int,
    threshold: float,
    multi_label: bool,
) -> Iterator[tuple[int, float, float, float]]:
    """Class, first and last column and probability of what is heard.

    Args:
        likely: `(classes, windows)`.
        centers: the column in the middle of each window.
        segments: where the recording rises.
        width: of a window.
        threshold: see `listen`.
        multi_label: whether several classes may be heard at once.
    """
    free = np.ones(len(centers), bool)
    for first, last in segments:
        if last - first > LONGEST * width:
            continue
        at = int(abs(centers - (first + last) / 2).argmin())
        free &= (centers < first - width / 2) | (centers > last + width / 2)
        for label in _named(likely[:, at], threshold, multi_label):
            yield label, first, last, float(likely[label, at])
    stride = float(centers[1] - centers[0]) if len(centers) > 1 else float(width)
    for label in range(len(likely)):
        sure = free & (likely[label] >= threshold)
        if not multi_label:
            sure &= likely.argmax(axis=0) == label
        edges = np.flatnonzero(np.diff(np.r_[0, sure.astype(np.int8), 0]))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin > 1:
                yield (
                    label,
                    centers[begin] - stride / 2,
                    centers[end - 1] + stride / 2,
                    float(likely[label, begin:end].max()),
                )


def _named(likely: NDArray[np.float32], threshold: float, multi_label: bool) -> list[int]:
    if multi_label:
        return [int(at) for at in np.flatnonzero(likely >= threshold)]
    return [int(likely.argmax())] if likely.max() >= threshold else []
