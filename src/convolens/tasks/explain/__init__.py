"""Explain: which part of the picture made the network say so.

As a picture passes through the network its grid shrinks and its features multiply, and each feature still belongs to a
place. A method weighs the features of a tap; the sum, stretched to the picture, is the map. `METHODS` lists them: a new
one is a function from a `View` and a `Target` to a map, and its line here; `tests/tasks/explain/test_conformance.py`
then tests it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ArgumentError, MethodError
from convolens.tasks.explain.cam import cam
from convolens.tasks.explain.explanation import Explanation
from convolens.tasks.explain.gradient import gradcam, gradcam_plus_plus, hirescam, layercam
from convolens.tasks.explain.placing import to_input, to_picture
from convolens.tasks.explain.subject import Explainable, View, check_taps
from convolens.tasks.explain.targets import ClassLike, Scoring, Target, targets_of
from convolens.tasks.pictures import Picture, batches, listed, pixels_of

__all__ = ["METHODS", "Explainable", "Explanation", "Method", "explain"]


@dataclass(frozen=True)
class Method:
    """How a map is made.

    Attributes:
        find: from what the network shows at a tap and a target to a map.
        rectified: whether the paper ends with a ReLU, so that the map shows only what speaks for the target.
    """

    find: Callable[[View, Target], Tensor]
    rectified: bool = True


METHODS = {
    "cam": Method(cam, rectified=False),
    "gradcam": Method(gradcam),
    "gradcam++": Method(gradcam_plus_plus),
    "hirescam": Method(hirescam),
    "layercam": Method(layercam),
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
        model: a classifier, in evaluation mode.
        images: a path, an array or a tensor, or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
        method: one of `METHODS`; `auto` is `cam` where the head allows it, which is exact, and `gradcam` elsewhere.
        tap: where to look; None looks where the head does. Maps of several taps are added by `cam`, whose sum is
            exact; by the others each is first brought to a maximum of 1.
        batch: pictures of one size that go through the network at once.

    Returns:
        An `Explanation`, or a list of them in order.

    Raises:
        ArgumentError: no such class, method or tap, or a model in training mode.
        MethodError: the method cannot explain this head or target; the message names one that can.
        FileError, ShapeError, DtypeError: as for `predict`.
    """
    if model.training:
        raise ArgumentError("model: need it in evaluation mode, got training mode; call model.eval() first")
    taps = check_taps(model, tap)
    name = _method_name(model, method, taps, target)
    pictures, many = listed(images)
    shown = [pixels_of(picture) for picture in pictures]
    found: list[Explanation] = []
    for one in batches((model.preprocess(picture) for picture in shown), batch):
        part = shown[len(found) : len(found) + len(one)]
        found += _explain_batch(model, one, part, name, taps, target, against)
    return found if many else found[0]


def _method_name(model: Explainable, method: str, taps: tuple[str, ...], target: ClassLike | Scoring | None) -> str:
    if method == "auto":
        exact = set(taps) <= set(model.class_weights()) and not callable(target)
        return "cam" if exact else "gradcam"
    if method not in METHODS:
        raise MethodError(f"method: need auto or one of {', '.join(METHODS)}, got {method!r}")
    return method


def _explain_batch(
    model: Explainable,
    batch: Tensor,
    pictures: Sequence[NDArray[Any]],
    name: str,
    taps: tuple[str, ...],
    wanted: ClassLike | Scoring | None,
    against: ClassLike | None,
) -> list[Explanation]:
    with torch.no_grad():
        scores = model(batch)
        target = targets_of(scores, model.class_names, wanted, against)
        grids = {tap: METHODS[name].find(view, target) for tap, view in _views(model, batch, taps).items()}
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


def _views(model: Explainable, batch: Tensor, taps: tuple[str, ...]) -> dict[str, View]:
    maps, weights = model.maps(batch, taps), model.class_weights()
    black = model.preprocessing.normalize(torch.zeros_like(batch))
    return {
        tap: View(batch, tap, maps[tap], model.rest(batch, tap), model.__call__, weights.get(tap), black)
        for tap in taps
    }


def _stretched(grids: dict[str, Tensor], name: str, size: Sequence[int]) -> Tensor:
    """The taps' maps as one, over the network's input."""
    total: Tensor | None = None
    for grid in grids.values():
        rectified = grid.relu() if METHODS[name].rectified else grid
        heat = to_input(rectified, size[0], size[1])
        if name != "cam" and len(grids) > 1:
            highest = heat.amax(dim=(1, 2), keepdim=True)
            heat = torch.where(highest > 0, heat / highest, heat) / len(grids)
        total = heat if total is None else total + heat
    assert total is not None  # check_taps saw to at least one
    return total
