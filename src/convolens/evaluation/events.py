"""How good a network that hears is at when: its events beside those that are known, by class and beginning.

An event is right if one of its class begins within the tolerance and has not been taken by another: Mesaros, Heittola,
Virtanen, "Metrics for Polyphonic Sound Event Detection", 2016, event-based, by onset alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from convolens.arrays import Real
from convolens.data import Example, Skipped
from convolens.effects.sounds.heard import Heard
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import FileError
from convolens.evaluation.detections import Found
from convolens.evaluation.detections.confusion import MIN_SCORE
from convolens.features.listening import listen

ONSET = 0.05  # seconds
_ROUNDING = 1e-9

Onset = tuple[float, int]  # when, and which class


def right_events(found: Iterable[Onset], known: Iterable[Onset], tolerance: Real = ONSET) -> int:
    """How many of the events that were found are right, each with another of those that are known.

    >>> right_events([(1.02, 0), (1.04, 0), (5.0, 1)], [(1.0, 0), (5.0, 0)])
    1
    """
    left, right = sorted(known), 0
    for when, label in sorted(found):
        near = [one for one in left if one[1] == label and abs(one[0] - when) <= tolerance + _ROUNDING]
        if near:
            left.remove(min(near, key=lambda one: abs(one[0] - when)))
            right += 1
    return right


def event_scores(model: Any, examples: Sequence[Example], skipped: list[Skipped]) -> dict[str, float]:
    """Listens to each recording whose parts are known, and compares events: `event_f1 event_precision event_recall`.

    Args:
        model: a classifier that was trained by sounds.
        examples: of which those with a start are parts of recordings.
        skipped: recordings that cannot be listened to are added.

    Returns:
        Nothing where no example is a part of a recording.
    """
    recordings: dict[Path, list[Onset]] = {}
    for one in examples:
        if isinstance(one.path, Heard) and one.path.start is not None:
            recordings.setdefault(one.path.path, []).extend((float(one.path.start), label) for label in one.labels)
    right = count = known = 0
    for path, truth in recordings.items():
        try:
            events = listen(model, path).events
        except FileError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        found = [(one.start, model.class_names.index(one.label)) for one in events]
        right, count, known = right + right_events(found, truth), count + len(found), known + len(truth)
    return _figures(right, count, known)


def detected_event_scores(
    hearing: Hearing, examples: Sequence[Example], found: Sequence[Found], min_score: Real = MIN_SCORE
) -> dict[str, float]:
    """The same figures of what a detector found in sounds, with at least that score, beside their labels.

    Args:
        hearing: in whose pictures boxes are.
        examples: sounds with boxes.
        found: in each.
        min_score: from which something is named.
    """
    right = count = known = 0
    for example, one in zip(examples, found, strict=True):
        truth = [(hearing.span_of(box.xyxy)[0], box.label) for box in example.objects]
        named = one.scores >= min_score
        rows = zip(one.boxes_xyxy[named].tolist(), one.labels[named].tolist(), strict=True)
        onsets = [(hearing.span_of(box)[0], label) for box, label in rows]
        right, count, known = right + right_events(onsets, truth), count + len(onsets), known + len(truth)
    return _figures(right, count, known)


def _figures(right: int, count: int, known: int) -> dict[str, float]:
    """Of so many events that were found; nothing where none are known."""
    if not known:
        return {}
    return {
        "event_f1": 2 * right / (count + known),
        "event_precision": right / count if count else 0.0,
        "event_recall": right / known,
    }
