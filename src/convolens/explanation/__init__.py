"""Explain: which part of the picture made the network say so.

As a picture passes through the network its grid shrinks and its features multiply, and each feature still belongs to a
place. A method weighs the features of a tap; the sum, stretched to the picture, is the map. `methods.py` lists them.
"""

from __future__ import annotations

from convolens.errors import need_networks

need_networks()

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, Unpack, overload

from torch import Tensor

from convolens.errors import ArgumentError, MethodError
from convolens.explanation.each import explain_each
from convolens.explanation.explanation import Explanation
from convolens.explanation.faithfulness import (
    Curve,
    deletion,
    drop_and_increase,
    insertion,
    randomized,
    road,
    similarity,
)
from convolens.explanation.methods import METHODS, Method, checked_way
from convolens.explanation.smoothing import Smoothing
from convolens.explanation.targets import ClassLike, Scoring, Target, class_number, of_group, ranked_target, targets_of
from convolens.explanation.truth import box_overlap, points_at
from convolens.media.pixels import Picture, as_pictures, as_pixels, over_white
from convolens.models.detect import Detector
from convolens.models.inputs import running_on
from convolens.models.tap_scores import HasTapScores, TapScores, tap_scores

__all__ = [
    "METHODS",
    "Curve",
    "Explanation",
    "HasTapScores",
    "Method",
    "TapScores",
    "box_overlap",
    "deletion",
    "drop_and_increase",
    "explain",
    "explain_by",
    "explain_top",
    "insertion",
    "points_at",
    "randomized",
    "road",
    "similarity",
]


# For one of many objects: where its own score comes from. `gradcam`'s mean over all places forgets which it was.
LOCAL = "hirescam"


class _Options(TypedDict, total=False):
    target: ClassLike | Scoring | None
    against: ClassLike | None
    counterfactual: bool
    method: str
    taps: str | Sequence[str] | None
    relu_weights: bool
    flip: bool
    noise_samples: int
    seed: int
    batch: int
    device: str


@overload
def explain(model: Detector, images: Picture, **options: Unpack[_Options]) -> list[Explanation]: ...  # type: ignore[overload-overlap]
@overload
def explain(model: Detector, images: Iterable[Picture], **options: Unpack[_Options]) -> list[list[Explanation]]: ...
@overload
def explain(model: TapScores | HasTapScores, images: Picture, **options: Unpack[_Options]) -> Explanation: ...  # type: ignore[overload-overlap]
@overload
def explain(
    model: TapScores | HasTapScores, images: Iterable[Picture], **options: Unpack[_Options]
) -> list[Explanation]: ...
def explain(
    model: TapScores | HasTapScores | Detector,
    images: Picture | Iterable[Picture],
    *,
    target: ClassLike | Scoring | None = None,
    against: ClassLike | None = None,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> Any:
    """Which part of each picture made the network say so.

    Args:
        model: a classifier, localizer or detector, in evaluation mode, or what `convolens.wrap_module` made of a
            module.
        images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
        counterfactual: shows what speaks against the target instead of for it; the score's sign is turned.
        method: one of `METHODS`; `auto` is `cam` where the head allows it, which is exact, and `gradcam` elsewhere; for
            a detector's objects `hirescam`, as `gradcam` shows whatever is like the object, wherever it is.
        taps: where to look; None looks where the head does. Maps of several taps are added by `cam`, whose sum is
            exact; by the others each is first brought to a maximum of 1. Not for methods that look at the pixels.
        relu_weights: counts only the features whose weight is positive, for methods that weigh features.
        flip: takes the mean of the map and that of the mirrored picture, turned back.
        noise_samples: takes the mean over this many copies of the picture with noise on them; 0 looks at the picture
            itself.
        seed: of the noise.
        batch: pictures of one size that go through the network at once.
        device: where to run: `cpu`, `cuda`, …; `auto` is where the model is.

    Returns:
        An `Explanation`, or a list of them in order. From a detector a list for each picture: one for each object that
        `predict` finds, likeliest first; with a class as `target`, for those of that class.

    Raises:
        ArgumentError: no such class, method or tap, or a model in training mode.
        MethodError: the method cannot explain this head or target; the message names one that can.
        FileError, ShapeError, DtypeError: as for `predict`; or the map at the tap has only one cell.

    >>> import numpy as np
    >>> from convolens.models.classify import classifier
    >>> why = explain(classifier("resnet18", classes=["cat", "dog"]), np.zeros((48, 64, 3), np.uint8), target="dog")
    >>> why.label, why.heatmap.shape
    ('dog', (48, 64))
    """
    pictures, many = as_pictures(images)
    smoothing = Smoothing(flip, noise_samples, seed)
    if isinstance(model, Detector):
        if callable(target):
            raise MethodError("target: of a detector need a class or None, got a function")
        way_asked = ([method], taps, relu_weights)
        with running_on(model, device):
            objects = [
                _explain_objects(model, one, target, against, counterfactual, way_asked, smoothing)[0]
                for one in pictures
            ]
        return objects if many else objects[0]
    subject = tap_scores(model)
    asked = partial(_one_target, subject.class_names, target, against, counterfactual)
    way = checked_way(subject, method, taps, linear=not callable(target), relu_weights=relu_weights)
    with running_on(model, device):
        found = [one for ((one,),) in explain_each(subject, pictures, asked, [way], smoothing, batch)]
    return found if many else found[0]


def explain_top(
    model: TapScores | HasTapScores,
    images: Picture | Iterable[Picture],
    count: int,
    *,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> list[Explanation] | list[list[Explanation]]:
    """The likeliest classes of each picture, each explained; the features are computed once for all of them.

    Args:
        model: as for `explain`, like all arguments but `count`.
        images: one picture or several.
        count: how many classes; fewer where the model has fewer.
        counterfactual: shows what speaks against each class.
        method: one of `METHODS` or `auto`.
        taps: where to look.
        relu_weights: counts only the features whose weight is positive.
        flip: takes the mean with the mirrored picture's map.
        noise_samples: takes the mean over so many copies with noise.
        seed: of the noise.
        batch: pictures that go through the network at once.
        device: where to run.

    Returns:
        The explanations, likeliest class first; for several pictures a list of such lists, in order.

    Raises:
        ArgumentError: a count below 1. Others as in `explain`.

    >>> import numpy as np
    >>> from convolens.models.classify import classifier
    >>> model = classifier("resnet18", classes=["cat", "dog", "cow"])
    >>> found = explain_top(model, np.zeros((48, 64, 3), np.uint8), 2)
    >>> [one.label for one in found] == list(model.predict(np.zeros((48, 64, 3), np.uint8), top=2).labels)
    True
    """
    if count < 1:
        raise ArgumentError(f"count: need at least 1 class, got {count}")
    if isinstance(model, Detector):
        raise MethodError("model: need a classifier or a localizer, got a detector; use explain")
    subject = tap_scores(model)
    asked = partial(_top_targets, subject.class_names, count, counterfactual)
    pictures, many = as_pictures(images)
    way = checked_way(subject, method, taps, linear=True, relu_weights=relu_weights)
    with running_on(model, device):
        smoothing = Smoothing(flip, noise_samples, seed)
        found = [one for (one,) in explain_each(subject, pictures, asked, [way], smoothing, batch)]
    return found if many else found[0]


def explain_by(
    model: TapScores | HasTapScores | Detector,
    picture: Picture,
    methods: Sequence[str],
    *,
    count: int | None = None,
    target: ClassLike | None = None,
    against: ClassLike | None = None,
    counterfactual: bool = False,
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
) -> list[list[Explanation]]:
    """One picture by several methods, for which it is decoded and preprocessed once, and the trunk run once.

    Args:
        model: as for `explain`, like all arguments but these two.
        picture: one.
        methods: out of `METHODS`, or `auto`.
        count: how many of the likeliest classes, in place of `target`.
        target: the class to explain.
        against: a class whose score is subtracted.
        counterfactual: shows what speaks against it.
        taps: where to look.
        relu_weights: counts only the features whose weight is positive.
        flip: takes the mean with the mirrored picture's map.
        noise_samples: takes the mean over so many copies with noise.
        seed: of the noise.

    Returns:
        For each method its explanations: one, or `count`, or of a detector one for each object.

    Errors as in `explain`.
    """
    smoothing = Smoothing(flip, noise_samples, seed)
    if isinstance(model, Detector):
        return _explain_objects(
            model, picture, target, against, counterfactual, (methods, taps, relu_weights), smoothing
        )
    subject = tap_scores(model)
    asked = (
        partial(_one_target, subject.class_names, target, against, counterfactual)
        if count is None
        else partial(_top_targets, subject.class_names, count, counterfactual)
    )
    ways = [checked_way(subject, method, taps, linear=True, relu_weights=relu_weights) for method in methods]
    (found,) = explain_each(subject, [picture], asked, ways, smoothing, 1)
    return found


def _one_target(
    names: Sequence[str],
    target: ClassLike | Scoring | None,
    against: ClassLike | None,
    counterfactual: bool,
    scores: Tensor,
) -> list[Target]:
    wanted = targets_of(scores, names, target, against)
    return [wanted.turned() if counterfactual else wanted]


def _top_targets(names: Sequence[str], count: int, counterfactual: bool, scores: Tensor) -> list[Target]:
    wanted = [ranked_target(scores, names, rank) for rank in range(min(count, scores.shape[1]))]
    return [one.turned() for one in wanted] if counterfactual else wanted


def _explain_objects(
    model: Detector,
    picture: Picture,
    target: ClassLike | None,
    against: ClassLike | None,
    counterfactual: bool,
    asked_ways: tuple[Sequence[str], str | Sequence[str] | None, bool],
    smoothing: Smoothing,
) -> list[list[Explanation]]:
    """By each method an explanation of each object found; where `target` names a class, of that class's objects.

    The picture is decoded once. Objects that look at the same taps share one pass of the network up to there.
    """
    methods, taps, relu_weights = asked_ways
    pixels = over_white(as_pixels(picture))
    found = model.predict(pixels)
    names = model.class_names
    wanted = None if target is None else names[class_number(target, names, len(names))]
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, (label, default_box) in enumerate(zip(found.labels, found.default_boxes, strict=True)):
        if wanted in (None, label):
            alike.setdefault(model.explained([int(default_box)]).passed_taps, []).append(number)
    explained: list[dict[int, Explanation]] = [{} for _ in methods]
    for numbers in alike.values():
        subject = model.explained([int(found.default_boxes[number]) for number in numbers])
        own = [one for one in subject.taps if one in subject.passed_taps][-1:]
        named, looked_at = [LOCAL if one == "auto" else one for one in methods], own if taps is None else taps
        ways = [checked_way(subject, one, looked_at, linear=True, relu_weights=relu_weights) for one in named]

        labels = [found.labels[number] for number in numbers]
        asked = partial(_object_targets, labels=labels, names=names, against=against, counterfactual=counterfactual)
        (by_way,) = explain_each(subject, [pixels], asked, ways, smoothing, 1)
        for of_way, several in zip(explained, by_way, strict=True):
            for number, one in zip(numbers, several, strict=True):
                likely = None if one.probability is None else float(found.scores[number])
                box = tuple(found.boxes_xyxy[number].tolist())
                of_way[number] = replace(one, found_xyxy=box, probability=likely)
    return [[of_way[number] for number in sorted(of_way)] for of_way in explained]


def _object_targets(
    scores: Tensor, *, labels: Sequence[str], names: Sequence[str], against: ClassLike | None, counterfactual: bool
) -> list[Target]:
    """Of each object its class; `scores` are those of its classes, one object's after another's."""
    wanted = [
        of_group(targets_of(part, names, label, against), number, len(labels))
        for number, (part, label) in enumerate(zip(scores.chunk(len(labels), dim=1), labels, strict=True))
    ]
    return [one.turned() for one in wanted] if counterfactual else wanted
