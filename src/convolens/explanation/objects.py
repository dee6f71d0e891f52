"""A detector's objects, each explained by the scores of the default box that found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from convolens.errors import MethodError
from convolens.explanation.explanation import Explanation
from convolens.explanation.methods import checked_request
from convolens.explanation.runner import run
from convolens.explanation.smoothing import Smoothing
from convolens.explanation.targets import ClassLike, Question, Target, class_number, of_group, targets_of
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.models.detect import Detections, Detector

# What `auto` is here: for one of many objects its own place counts, which `gradcam`'s mean over all places forgets.
AUTO = "hirescam"


def explain_objects(
    model: Detector,
    picture: Picture,
    methods: Sequence[str],
    question: Question,
    taps: str | Sequence[str] | None,
    relu_weights: bool,
    smoothing: Smoothing,
) -> list[list[Explanation]]:
    """An explanation of each object found, by each method; where the question names a class, of that class's objects.

    The picture is decoded once. Objects whose scores depend on the same taps share one pass of the network up to there.

    Raises:
        MethodError: a function as target. Others as in `convolens.explain`.
    """
    only = question.target
    if callable(only):
        raise MethodError("target: of a detector need a class or None, got a function")
    pixels = over_white(as_pixels(picture))
    found = model.predict(pixels)
    explained: list[dict[int, Explanation]] = [{} for _ in methods]
    for numbers in _by_taps(model, found, only):
        scores = model.explained([int(found.default_boxes[number]) for number in numbers])
        own_tap = [tap for tap in scores.taps if tap in scores.passed_taps][-1:]
        requests = [
            checked_request(
                scores,
                AUTO if method == "auto" else method,
                own_tap if taps is None else taps,
                linear=True,
                relu_weights=relu_weights,
            )
            for method in methods
        ]
        labels = [found.labels[number] for number in numbers]
        targets = partial(_object_targets, labels=labels, names=model.class_names, question=question)
        (by_method,) = run(scores, [pixels], targets, requests, smoothing, 1)
        for of_method, several in zip(explained, by_method, strict=True):
            for number, one in zip(numbers, several, strict=True):
                of_method[number] = _of_object(one, found, number)
    return [[of_method[number] for number in sorted(of_method)] for of_method in explained]


def _by_taps(model: Detector, found: Detections, target: ClassLike | None) -> list[list[int]]:
    """The numbers of the objects of the target's class, or of all, in groups whose scores depend on the same taps."""
    names = model.class_names
    only = None if target is None else names[class_number(target, names, len(names))]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, (label, default_box) in enumerate(zip(found.labels, found.default_boxes, strict=True)):
        if only in (None, label):
            groups.setdefault(model.explained([int(default_box)]).passed_taps, []).append(number)
    return list(groups.values())


def _object_targets(scores: Tensor, *, labels: Sequence[str], names: Sequence[str], question: Question) -> list[Target]:
    """The class of each object as a target; `scores` are those of its classes, one object's after another's."""
    of_objects = zip(scores.chunk(len(labels), dim=1), labels, strict=True)
    return question.signed(
        [
            of_group(targets_of(part, names, label, question.against), number, len(labels))
            for number, (part, label) in enumerate(of_objects)
        ]
    )


def _of_object(one: Explanation, found: Detections, number: int) -> Explanation:
    """The explanation with the object's box, and its score as the probability of a class."""
    likely = None if one.probability is None else float(found.scores[number])
    x1, y1, x2, y2 = found.boxes_xyxy[number].tolist()
    return replace(one, found_xyxy=(x1, y1, x2, y2), probability=likely)
