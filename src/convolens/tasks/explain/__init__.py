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
from convolens.tasks.explain.gradient import gradcam, gradcam_plus_plus, hirescam, layercam
from convolens.tasks.explain.perturbation import ablationcam, occlusion, scorecam
from convolens.tasks.explain.pixels import guided_backprop, integrated_gradients
from convolens.tasks.explain.placing import to_input, to_picture
from convolens.tasks.explain.subject import INPUT, Explainable, View, check_taps
from convolens.tasks.explain.targets import ClassLike, Scoring, Target, targets_of
from convolens.tasks.explain.wrap import wrap
from convolens.tasks.pictures import Picture, batches, listed, pixels_of

__all__ = ["METHODS", "Explainable", "Explanation", "Method", "explain", "explain_top", "wrap"]


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
    method: str
    tap: str | Sequence[str] | None
    batch: int


@overload
def explain(model: Explainable, images: Picture, **options: Unpack[_Options]) -> Explanation: ...  # type: ignore[overload-overlap]
@overload
def explain(model: Explainable, images: Iterable[Picture], **options: Unpack[_Options]) -> list[Explanation]: ...
def explain(
    model: Explainable,
    images: Picture | Iterable[Picture],
    *,
    target: ClassLike | Scoring | None = None,
    against: ClassLike | None = None,
    method: str = "auto",
    tap: str | Sequence[str] | None = None,
    batch: int = 8,
) -> Explanation | list[Explanation]:
    """Which part of each picture made the network say so.

    Args:
        model: a classifier, in evaluation mode, or what `convolens.wrap` made of a module.
        images: a path, an array or a tensor, or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
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
    pictures, many = listed(images)
    found = [one for (one,) in _explain_each(model, pictures, [(target, 0)], against, method, tap, batch)]
    return found if many else found[0]


def explain_top(
    model: Explainable,
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
    pictures, many = listed(images)
    ranks: list[tuple[ClassLike | Scoring | None, int]] = [(None, rank) for rank in range(count)]
    found = _explain_each(model, pictures, ranks, None, method, tap, batch)
    return found if many else found[0]


def _explain_each(
    model: Explainable,
    pictures: Sequence[Picture],
    wanted: Sequence[tuple[ClassLike | Scoring | None, int]],
    against: ClassLike | None,
    method: str,
    tap: str | Sequence[str] | None,
    batch: int,
) -> list[list[Explanation]]:
    """For each picture an explanation of each target, which is one that the caller named or a rank by score."""
    if model.training:
        raise ArgumentError("model: need it in evaluation mode, got training mode; call model.eval() first")
    taps = check_taps(model, tap)
    name = _method_name(model, method, taps, wanted[0][0])
    if METHODS[name].at_input:
        if tap is not None:
            raise MethodError(f"method {name}: looks at the pixels, not at a tap; leave out tap, or take gradcam")
        taps = (INPUT,)
    shown = [pixels_of(picture) for picture in pictures]
    found: list[list[Explanation]] = []
    for one in batches((model.preprocess(picture) for picture in shown), batch):
        part = shown[len(found) : len(found) + len(one)]
        with torch.no_grad():
            scores = model(one)
            maps = {INPUT: one} if taps == (INPUT,) else model.maps(one, taps)
            views = {tap: View(model, one, tap, maps[tap]) for tap in taps}
            several = [
                _explain_batch(views, part, name, targets_of(scores, model.class_names, target, against, rank), scores)
                for target, rank in wanted
                if rank < scores.shape[1]
            ]
        found += [list(each) for each in zip(*several, strict=True)]
    return found


def _method_name(model: Explainable, method: str, taps: tuple[str, ...], target: ClassLike | Scoring | None) -> str:
    if method == "auto":
        exact = set(taps) <= set(model.class_weights()) and not callable(target)
        return "cam" if exact else "gradcam"
    if method not in METHODS:
        raise MethodError(f"method: need auto or one of {', '.join(METHODS)}, got {method!r}")
    return method


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
