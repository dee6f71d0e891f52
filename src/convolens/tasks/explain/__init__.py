"""Explain: which part of the picture made the network say so.

As a picture passes through the network its grid shrinks and its features multiply, and each feature still belongs to a
place. A method weighs the features of a tap; the sum, stretched to the picture, is the map. `METHODS` lists them: a new
one is a function from a `View` and a `Target` to a map, and its line here; `tests/tasks/explain/test_conformance.py`
then tests it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ArgumentError, MethodError
from convolens.tasks.explain.activation import eigencam
from convolens.tasks.explain.cam import cam
from convolens.tasks.explain.explanation import Explanation
from convolens.tasks.explain.faithfulness import Curve, deletion, insertion, randomised, similarity
from convolens.tasks.explain.gradient import gradcam, gradcam_plus_plus, hirescam, layercam
from convolens.tasks.explain.perturbation import ablationcam, occlusion, scorecam
from convolens.tasks.explain.pixels import guided_backprop, integrated_gradients
from convolens.tasks.explain.placing import to_input, to_picture
from convolens.tasks.explain.subject import INPUT, Explainable, HasExplained, View, check_taps
from convolens.tasks.explain.targets import ClassLike, Scoring, Target, ranked_target, targets_of
from convolens.tasks.explain.wrap import wrap
from convolens.tasks.pictures import Picture, batches, listed, pixels_of

__all__ = [
    "METHODS",
    "Curve",
    "Explainable",
    "Explanation",
    "Method",
    "deletion",
    "explain",
    "explain_top",
    "insertion",
    "randomised",
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
    """

    find: Callable[[View, Target], Tensor]
    rectified: bool = True
    at_input: bool = False


METHODS = {
    "cam": Method(cam, rectified=False),
    "gradcam": Method(gradcam),
    "gradcam++": Method(gradcam_plus_plus),
    "hirescam": Method(hirescam),
    "layercam": Method(layercam),
    "eigencam": Method(eigencam),
    "scorecam": Method(scorecam),
    "ablationcam": Method(ablationcam),
    "occlusion": Method(occlusion, rectified=False, at_input=True),
    "integrated_gradients": Method(integrated_gradients, rectified=False, at_input=True),
    "guided_backprop": Method(guided_backprop, rectified=False, at_input=True),
}


class _Options(TypedDict, total=False):
    target: ClassLike | Scoring | None
    against: ClassLike | None
    counter: bool
    method: str
    tap: str | Sequence[str] | None
    batch: int


@overload
def explain(model: Explainable | HasExplained, images: Picture, **options: Unpack[_Options]) -> Explanation: ...  # type: ignore[overload-overlap]
@overload
def explain(
    model: Explainable | HasExplained, images: Iterable[Picture], **options: Unpack[_Options]
) -> list[Explanation]: ...
def explain(
    model: Explainable | HasExplained,
    images: Picture | Iterable[Picture],
    *,
    target: ClassLike | Scoring | None = None,
    against: ClassLike | None = None,
    counter: bool = False,
    method: str = "auto",
    tap: str | Sequence[str] | None = None,
    batch: int = 8,
) -> Explanation | list[Explanation]:
    """Which part of each picture made the network say so.

    Args:
        model: a classifier or localizer, in evaluation mode, or what `convolens.wrap` made of a module.
        images: a path, an array or a tensor, or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
        counter: shows what speaks against the target instead of for it; the score's sign is turned.
        method: one of `METHODS`; `auto` is `cam` where the head allows it, which is exact, and `gradcam` elsewhere.
        tap: where to look; None looks where the head does. Maps of several taps are added by `cam`, whose sum is
            exact; by the others each is first brought to a maximum of 1. Not for methods that look at the pixels.
        batch: pictures of one size that go through the network at once.

    Returns:
        An `Explanation`, or a list of them in order.

    Raises:
        ArgumentError: no such class, method or tap, or a model in training mode.
        MethodError: the method cannot explain this head or target; the message names one that can.
        FileError, ShapeError, DtypeError: as for `predict`.
    """
    subject = _subject(model)

    def asked(scores: Tensor) -> list[Target]:
        wanted = targets_of(scores, subject.class_names, target, against)
        return [wanted.turned() if counter else wanted]

    pictures, many = listed(images)
    taps, name = _way(subject, method, tap, linear=not callable(target))
    found = [one for (one,) in _explain_each(subject, pictures, asked, name, taps, batch)]
    return found if many else found[0]


def explain_top(
    model: Explainable | HasExplained,
    images: Picture | Iterable[Picture],
    count: int,
    *,
    method: str = "auto",
    tap: str | Sequence[str] | None = None,
    batch: int = 8,
) -> list[Explanation] | list[list[Explanation]]:
    """The likeliest classes of each picture, each explained; the features are computed once for all of them.

    Args:
        model: as for `explain`, like all that follows but `count`.
        images: one picture or several.
        count: how many classes; fewer where the model has fewer.
        method: one of `METHODS` or `auto`.
        tap: where to look.
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
        return [ranked_target(scores, subject.class_names, rank) for rank in range(min(count, scores.shape[1]))]

    pictures, many = listed(images)
    taps, name = _way(subject, method, tap, linear=True)
    found = _explain_each(subject, pictures, asked, name, taps, batch)
    return found if many else found[0]


def _subject(model: Explainable | HasExplained) -> Explainable:
    return model.explained() if isinstance(model, HasExplained) else model


def _way(
    model: Explainable, method: str, tap: str | Sequence[str] | None, *, linear: bool
) -> tuple[tuple[str, ...], str]:
    """The taps to look at and the method, checked. `linear`: whether the target is a sum of class scores."""
    if model.training:
        raise ArgumentError("model: need it in evaluation mode, got training mode; call model.eval() first")
    if method != "auto" and method not in METHODS:
        raise MethodError(f"method: need auto or one of {', '.join(METHODS)}, got {method!r}")
    taps = check_taps(model, tap)
    if method == "auto":
        return taps, "cam" if linear and set(taps) <= set(model.class_weights()) else "gradcam"
    if not METHODS[method].at_input:
        return taps, method
    if tap is not None:
        raise MethodError(f"method {method}: looks at the pixels, not at a tap; leave out tap, or take gradcam")
    return (INPUT,), method


def _explain_each(
    model: Explainable,
    pictures: Sequence[Picture],
    asked: Callable[[Tensor], Sequence[Target]],
    name: str,
    taps: tuple[str, ...],
    batch: int,
) -> list[list[Explanation]]:
    """For each picture an explanation of each target that is asked for given the scores."""
    shown = [pixels_of(picture) for picture in pictures]
    found: list[list[Explanation]] = []
    for one in batches((model.preprocess(picture) for picture in shown), batch):
        part = shown[len(found) : len(found) + len(one)]
        with torch.no_grad():
            scores = model(one)
            maps = {INPUT: one} if taps == (INPUT,) else model.maps(one, taps)
            views = {tap: View(model, one, tap, maps[tap]) for tap in taps}
            several = [_explain_batch(views, part, name, target, scores) for target in asked(scores)]
        found += [list(each) for each in zip(*several, strict=True)]
    return found


def _explain_batch(
    views: Mapping[str, View], pictures: Sequence[NDArray[Any]], name: str, target: Target, scores: Tensor
) -> list[Explanation]:
    view = next(iter(views.values()))
    grids = {tap: METHODS[name].find(view, target) for tap, view in views.items()}
    heat = _stretched(grids, name, view.batch.shape[2:])
    values = target.score(scores).tolist()
    return [
        Explanation(
            heatmap=to_picture(heat[number], view.model.preprocessing, picture.shape[:2]),
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
