"""Explain: which part of the picture made the network say so.

As a picture passes through the network its grid shrinks and its features multiply, and each feature still belongs to a
place. A method weighs the features of a tap; the sum, stretched to the picture, is the map. `METHODS` lists them: a new
one is a function from a `View` and a `Target` to a map, and its line here; `tests/tasks/explain/test_conformance.py`
then tests it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypedDict, Unpack, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ArgumentError, MethodError, ShapeError
from convolens.tasks.explain.activation import eigencam
from convolens.tasks.explain.cam import cam
from convolens.tasks.explain.explanation import Explanation
from convolens.tasks.explain.faithfulness import (
    Curve,
    deletion,
    drop_and_increase,
    insertion,
    randomised,
    road,
    similarity,
)
from convolens.tasks.explain.gradient import gradcam, gradcam_plus_plus, hirescam, layercam
from convolens.tasks.explain.perturbation import ablationcam, occlusion, scorecam
from convolens.tasks.explain.pixels import guided_backprop, integrated_gradients
from convolens.tasks.explain.placing import to_input, to_picture
from convolens.tasks.explain.smoothing import Smoothing
from convolens.tasks.explain.subject import (
    INPUT,
    Explainable,
    FindsObjects,
    Found,
    HasExplained,
    View,
    check_taps,
)
from convolens.tasks.explain.targets import (
    ClassLike,
    Scoring,
    Target,
    class_number,
    of_group,
    ranked_target,
    targets_of,
)
from convolens.tasks.explain.truth import box_overlap, points_at
from convolens.tasks.explain.wrap import wrap
from convolens.tasks.pictures import Picture, batches, listed, pixels_of

__all__ = [
    "METHODS",
    "Curve",
    "Explainable",
    "Explanation",
    "HasExplained",
    "Method",
    "box_overlap",
    "deletion",
    "drop_and_increase",
    "explain",
    "explain_top",
    "insertion",
    "points_at",
    "randomised",
    "road",
    "similarity",
    "wrap",
]


@dataclass(frozen=True)
class Method:
    """How a map is made.

    Attributes:
        find: from what the network shows at a tap and a target to a map.
        rectified: whether the paper ends with a ReLU, so that the map shows only what speaks for the target.
        at_input: whether it looks at the pixels themselves rather than at a tap.
        weighs: whether each feature has one weight, the same at every place.
    """

    find: Callable[[View, Target], Tensor]
    rectified: bool = True
    at_input: bool = False
    weighs: bool = False


METHODS = {
    "cam": Method(cam, rectified=False, weighs=True),
    "gradcam": Method(gradcam, weighs=True),
    "gradcam++": Method(gradcam_plus_plus, weighs=True),
    "hirescam": Method(hirescam),
    "layercam": Method(layercam),
    "eigencam": Method(eigencam),
    "scorecam": Method(scorecam, weighs=True),
    "ablationcam": Method(ablationcam, weighs=True),
    "occlusion": Method(occlusion, rectified=False, at_input=True),
    "integrated_gradients": Method(integrated_gradients, rectified=False, at_input=True),
    "guided_backprop": Method(guided_backprop, rectified=False, at_input=True),
}


# For one of many objects: where its own score comes from. `gradcam`'s mean over all places forgets which it was.
LOCAL = "hirescam"


class _Options(TypedDict, total=False):
    target: ClassLike | Scoring | None
    against: ClassLike | None
    counter: bool
    method: str
    tap: str | Sequence[str] | None
    positive: bool
    mirror: bool
    noisy: int
    seed: int
    batch: int


@overload
def explain(model: FindsObjects, images: Picture, **options: Unpack[_Options]) -> list[Explanation]: ...  # type: ignore[overload-overlap]
@overload
def explain(model: FindsObjects, images: Iterable[Picture], **options: Unpack[_Options]) -> list[list[Explanation]]: ...
@overload
def explain(model: Explainable | HasExplained, images: Picture, **options: Unpack[_Options]) -> Explanation: ...  # type: ignore[overload-overlap]
@overload
def explain(
    model: Explainable | HasExplained, images: Iterable[Picture], **options: Unpack[_Options]
) -> list[Explanation]: ...
def explain(
    model: Explainable | HasExplained | FindsObjects,
    images: Picture | Iterable[Picture],
    *,
    target: ClassLike | Scoring | None = None,
    against: ClassLike | None = None,
    counter: bool = False,
    method: str = "auto",
    tap: str | Sequence[str] | None = None,
    positive: bool = False,
    mirror: bool = False,
    noisy: int = 0,
    seed: int = 0,
    batch: int = 8,
) -> Any:
    """Which part of each picture made the network say so.

    Args:
        model: a classifier, localizer or detector, in evaluation mode, or what `convolens.wrap` made of a module.
        images: a path, an array or a tensor, or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
        counter: shows what speaks against the target instead of for it; the score's sign is turned.
        method: one of `METHODS`; `auto` is `cam` where the head allows it, which is exact, and `gradcam` elsewhere; for
            a detector's objects `hirescam`, as `gradcam` shows whatever is like the object, wherever it is.
        tap: where to look; None looks where the head does. Maps of several taps are added by `cam`, whose sum is
            exact; by the others each is first brought to a maximum of 1. Not for methods that look at the pixels.
        positive: counts only the features whose weight is positive, for methods that weigh features.
        mirror: takes the mean of the map and that of the mirrored picture, turned back.
        noisy: takes the mean over this many copies of the picture with noise on them; 0 looks at the picture itself.
        seed: of the noise.
        batch: pictures of one size that go through the network at once.

    Returns:
        An `Explanation`, or a list of them in order. From a detector a list for each picture: one for each object that
        `predict` finds, likeliest first; with a class as `target`, for those of that class.

    Raises:
        ArgumentError: no such class, method or tap, or a model in training mode.
        MethodError: the method cannot explain this head or target; the message names one that can.
        FileError, ShapeError, DtypeError: as for `predict`; or the map at the tap has only one cell.
    """
    pictures, many = listed(images)
    smoothing = Smoothing(mirror, noisy, seed)
    if isinstance(model, FindsObjects):
        if callable(target):
            raise MethodError("target: of a detector need a class or None, got a function")
        objects = [
            _explain_objects(model, one, target, against, counter, (method, tap, positive), smoothing)
            for one in pictures
        ]
        return objects if many else objects[0]
    subject = _subject(model)

    def asked(scores: Tensor) -> list[Target]:
        wanted = targets_of(scores, subject.class_names, target, against)
        return [wanted.turned() if counter else wanted]

    way = _way(subject, method, tap, linear=not callable(target), positive=positive)
    found = [one for (one,) in _explain_each(subject, pictures, asked, way, smoothing, batch)]
    return found if many else found[0]


def explain_top(
    model: Explainable | HasExplained,
    images: Picture | Iterable[Picture],
    count: int,
    *,
    counter: bool = False,
    method: str = "auto",
    tap: str | Sequence[str] | None = None,
    positive: bool = False,
    mirror: bool = False,
    noisy: int = 0,
    seed: int = 0,
    batch: int = 8,
) -> list[Explanation] | list[list[Explanation]]:
    """The likeliest classes of each picture, each explained; the features are computed once for all of them.

    Args:
        model: as for `explain`, like all arguments but `count`.
        images: one picture or several.
        count: how many classes; fewer where the model has fewer.
        counter: shows what speaks against each class.
        method: one of `METHODS` or `auto`.
        tap: where to look.
        positive: counts only the features whose weight is positive.
        mirror: takes the mean with the mirrored picture's map.
        noisy: takes the mean over so many copies with noise.
        seed: of the noise.
        batch: pictures that go through the network at once.

    Returns:
        The explanations, likeliest class first; for several pictures a list of such lists, in order.

    Raises:
        ArgumentError: a count below 1. Others as in `explain`.
    """
    if count < 1:
        raise ArgumentError(f"count: need at least 1 class, got {count}")

    subject = _subject(model)

    def asked(scores: Tensor) -> list[Target]:
        wanted = [ranked_target(scores, subject.class_names, rank) for rank in range(min(count, scores.shape[1]))]
        return [one.turned() for one in wanted] if counter else wanted

    pictures, many = listed(images)
    way = _way(subject, method, tap, linear=True, positive=positive)
    found = _explain_each(subject, pictures, asked, way, Smoothing(mirror, noisy, seed), batch)
    return found if many else found[0]


def _explain_objects(
    model: FindsObjects,
    picture: Picture,
    target: ClassLike | None,
    against: ClassLike | None,
    counter: bool,
    asked_way: tuple[str, str | Sequence[str] | None, bool],
    smoothing: Smoothing,
) -> list[Explanation]:
    """An explanation of each object found; where `target` names a class, of that class's objects.

    Those that look at the same taps share one pass of the network up to there.
    """
    method, tap, positive = asked_way
    found: Found = model.predict(picture)
    names = model.class_names
    wanted = None if target is None else names[class_number(target, names, len(names))]
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, (label, default_box) in enumerate(zip(found.labels, found.default_boxes, strict=True)):
        if wanted in (None, label):
            alike.setdefault(model.explained([int(default_box)]).passed_taps, []).append(number)
    explained: dict[int, Explanation] = {}
    for numbers in alike.values():
        subject = model.explained([int(found.default_boxes[number]) for number in numbers])
        own = [one for one in subject.taps if one in subject.passed_taps][-1:]
        way = _way(
            subject, LOCAL if method == "auto" else method, own if tap is None else tap, linear=True, positive=positive
        )

        labels = [found.labels[number] for number in numbers]
        asked = partial(_object_targets, labels=labels, names=names, against=against, counter=counter)
        (several,) = _explain_each(subject, [picture], asked, way, smoothing, 1)
        for number, one in zip(numbers, several, strict=True):
            explained[number] = replace(one, found_xyxy=tuple(found.boxes_xyxy[number].tolist()))
    return [explained[number] for number in sorted(explained)]


def _object_targets(
    scores: Tensor, *, labels: Sequence[str], names: Sequence[str], against: ClassLike | None, counter: bool
) -> list[Target]:
    """Of each object its class; `scores` are those of its classes, one object's after another's."""
    wanted = [
        of_group(targets_of(part, names, label, against), number, len(labels))
        for number, (part, label) in enumerate(zip(scores.chunk(len(labels), dim=1), labels, strict=True))
    ]
    return [one.turned() for one in wanted] if counter else wanted


def _subject(model: Explainable | HasExplained) -> Explainable:
    return model.explained() if isinstance(model, HasExplained) else model


@dataclass(frozen=True)
class _Way:
    """How to explain, checked: the taps, the method's name, and whether only positive weights count."""

    taps: tuple[str, ...]
    name: str
    positive: bool


def _way(
    model: Explainable, method: str, tap: str | Sequence[str] | None, *, linear: bool, positive: bool = False
) -> _Way:
    """`linear`: whether the target is a sum of class scores."""
    if model.training:
        raise ArgumentError("model: need it in evaluation mode, got training mode; call model.eval() first")
    if method != "auto" and method not in METHODS:
        raise MethodError(f"method: need auto or one of {', '.join(METHODS)}, got {method!r}")
    taps = check_taps(model, tap)
    if method == "auto":
        method = "cam" if linear and set(taps) <= set(model.class_weights()) else "gradcam"
    if positive and not METHODS[method].weighs:
        weighing = ", ".join(name for name, one in METHODS.items() if one.weighs)
        raise MethodError(f"method {method}: gives a feature no single weight that may be positive; take {weighing}")
    if not METHODS[method].at_input:
        return _Way(taps, method, positive)
    if tap is not None:
        raise MethodError(f"method {method}: looks at the pixels, not at a tap; leave out tap, or take gradcam")
    return _Way((INPUT,), method, positive)


def _explain_each(
    model: Explainable,
    pictures: Sequence[Picture],
    asked: Callable[[Tensor], Sequence[Target]],
    way: _Way,
    smoothing: Smoothing,
    batch: int,
) -> list[list[Explanation]]:
    """For each picture an explanation of each target that is asked for given the scores."""
    shown = [pixels_of(picture) for picture in pictures]
    found: list[list[Explanation]] = []
    for one in batches((model.preprocess(picture) for picture in shown), batch):
        part = shown[len(found) : len(found) + len(one)]
        with torch.no_grad():
            maps = _maps(model, one, way.taps)
            scores = _scores(model, one, maps)
            targets = asked(scores)
            several = _grids(model, one, maps, targets, way, smoothing)
            explained = [
                _placed(model, one, part, grids, target, scores, way.name)
                for grids, target in zip(several, targets, strict=True)
            ]
        found += [list(each) for each in zip(*explained, strict=True)]
    return found


def _maps(model: Explainable, batch: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
    maps = {INPUT: batch} if taps == (INPUT,) else model.maps(batch, taps)
    if all(one.shape[2:] == (1, 1) for one in maps.values()):
        raise ShapeError(
            f"tap {', '.join(taps)}: need a map of more than one cell to say where, got 1×1; take an earlier tap or a "
            "larger picture"
        )
    return maps


def _scores(model: Explainable, batch: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    """From the deepest map on, rather than from the start again."""
    if INPUT in maps:
        return model(batch)
    deepest = max(maps, key=model.passed_taps.index)
    return model.rest(batch, deepest)(maps[deepest])


def _grids(
    model: Explainable,
    batch: Tensor,
    maps: dict[str, Tensor],
    targets: Sequence[Target],
    way: _Way,
    smoothing: Smoothing,
) -> list[dict[str, Tensor]]:
    """For each target the map at each tap, the mean over what smoothing looks at."""
    find = METHODS[way.name].find
    looks: list[list[dict[str, Tensor]]] = []
    for look in smoothing.looks(batch):
        seen = maps if look.batch is batch else _maps(model, look.batch, way.taps)
        views = [View(model, look.batch, tap, seen[tap], way.positive) for tap in way.taps]
        looks.append([{view.tap: look.turned_back(find(view, target)) for view in views} for target in targets])
    return [
        {tap: torch.stack([look[tap] for look in same]).mean(dim=0) for tap in way.taps}
        for same in zip(*looks, strict=True)
    ]


def _placed(
    model: Explainable,
    batch: Tensor,
    pictures: Sequence[NDArray[Any]],
    grids: Mapping[str, Tensor],
    target: Target,
    scores: Tensor,
    name: str,
) -> list[Explanation]:
    heat = _stretched(grids, name, batch.shape[2:])
    values = target.score(scores).tolist()
    return [
        Explanation(
            heatmap=to_picture(heat[number], model.preprocessing, picture.shape[:2]),
            score=values[number],
            label=target.labels[number],
            method=name,
            grids={tap: grid[number].float().cpu().numpy() for tap, grid in grids.items()},
            picture=picture,
        )
        for number, picture in enumerate(pictures)
    ]


def _stretched(grids: Mapping[str, Tensor], name: str, size: Sequence[int]) -> Tensor:
    """The taps' maps as one, over the network's input."""
    maps = [to_input(grid.relu() if METHODS[name].rectified else grid, size[0], size[1]) for grid in grids.values()]
    if name != "cam" and len(maps) > 1:
        highest = [one.amax(dim=(1, 2), keepdim=True) for one in maps]
        maps = [torch.where(high > 0, one / high, one) / len(maps) for one, high in zip(maps, highest, strict=True)]
    return torch.stack(maps).sum(dim=0)
