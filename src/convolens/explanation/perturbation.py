"""Maps from what the score becomes when something is covered: many forward passes, no gradient.

One pass for each feature (`scorecam` through the whole network, `ablationcam` from the tap on) or each patch
(`occlusion`), `AT_ONCE` of them in a batch: that bounds the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.explanation.targets import Target
from convolens.explanation.upsampling import to_input
from convolens.explanation.view import View

AT_ONCE = 16
PATCHES_ALONG_SIDE = 8  # a patch covers an eighth of the shorter side; neighbours overlap by half
GRAY = 0.5


def scorecam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Each feature weighed by the score of the picture masked by it. Wang et al., "Score-CAM", 2020, algorithm 1.

    The paper subtracts the score of a baseline picture from every feature's score before its softmax, which cancels.
    """
    return _each_picture(view, target, _scorecam)


def ablationcam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Each feature weighed by what the score loses without it. Ramaswamy et al., "Ablation-CAM", WACV 2020, eq. 3, 4.

    Differs from the paper in that the loss is not divided by the score: that is the same for every feature, and would
    change the map's sign where the score is negative.
    """
    return _each_picture(view, target, _ablationcam)


def occlusion(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """The mean loss of score, for each pixel, when a grey patch covers it.

    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.
    """
    return _each_picture(view, target, _occlusion)


def _each_picture(view: View, target: Target, find: Callable[[View, Target], Tensor]) -> Tensor:
    return torch.stack([find(view.alone(number), target.of(number)) for number in range(len(view.batch))])


def _scorecam(view: View, target: Target) -> Float[Tensor, "rows columns"]:
    features, picture = view.activations[0], view.batch[0]

    def masked(at: Tensor) -> Tensor:
        masks = to_input(features[at], picture.shape[1], picture.shape[2], view.model.field(view.tap))
        return picture * _unit(masks)[:, None]

    scores = _each_score(len(features), masked, view.model, target)
    return view.weighted(scores.softmax(dim=0)[None])[0]


def _ablationcam(view: View, target: Target) -> Float[Tensor, "rows columns"]:
    features = view.activations[0]

    def without(at: Tensor) -> Tensor:
        several = features.repeat(len(at), 1, 1, 1)
        several[torch.arange(len(at)), at] = 0
        return several

    loss = target.score(view.rest(view.activations)) - _each_score(len(features), without, view.rest, target)
    return view.weighted(loss[None])[0]


def _occlusion(view: View, target: Target) -> Float[Tensor, "rows columns"]:
    picture, gray = view.batch[0], view.plain(GRAY)[0]
    patches = list(_patches(picture.shape[1], picture.shape[2]))

    def covered(at: Tensor) -> Tensor:
        several = picture.repeat(len(at), 1, 1, 1)
        for one, number in zip(several, at.tolist(), strict=True):
            rows, columns = patches[number]
            one[:, rows, columns] = gray[:, rows, columns]
        return several

    losses = target.score(view.model(view.batch)) - _each_score(len(patches), covered, view.model, target)
    total, count = torch.zeros_like(picture[0]), torch.zeros_like(picture[0])
    for loss, (rows, columns) in zip(losses, patches, strict=True):
        total[rows, columns] += loss
        count[rows, columns] += 1
    return total / count


def _each_score(
    count: int, make: Callable[[Tensor], Tensor], network: Callable[[Tensor], Tensor], target: Target
) -> Float[Tensor, " count"]:
    """The target's value for each of `count` changed inputs; `make` makes those with the given numbers."""
    return torch.cat([target.score(network(make(at))) for at in torch.split(torch.arange(count), AT_ONCE)])


def _unit(masks: Float[Tensor, "masks height width"]) -> Float[Tensor, "masks height width"]:
    """Each mask scaled to [0, 1]; one that is the same everywhere becomes 0."""
    low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > low, (masks - low) / torch.where(high > low, high - low, 1.0), 0.0)


def _patches(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Squares in rows that together cover the picture, the last of each row and column flush with the border."""
    side = max(min(height, width) // PATCHES_ALONG_SIDE, 1)
    step = (side + 1) // 2
    tops, lefts = (sorted({*range(0, size - side, step), size - side}) for size in (height, width))
    for top in tops:
        for left in lefts:
            yield slice(top, top + side), slice(left, left + side)
