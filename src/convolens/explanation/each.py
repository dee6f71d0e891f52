"""From pictures and questions to explanations, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ShapeError
from convolens.explanation.explanation import Explanation
from convolens.explanation.methods import METHODS, Way
from convolens.explanation.placing import to_input, to_picture
from convolens.explanation.smoothing import Smoothing
from convolens.explanation.subject import INPUT, Explainable, View
from convolens.explanation.targets import Target
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.models.inputs import batches


def explain_each(
    model: Explainable,
    pictures: Iterable[Picture],
    asked: Callable[[Tensor], Sequence[Target]],
    way: Way,
    smoothing: Smoothing,
    batch: int,
) -> list[list[Explanation]]:
    """For each picture an explanation of each target that is asked for given the scores."""
    shown = [over_white(as_pixels(picture)) for picture in pictures]
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
    way: Way,
    smoothing: Smoothing,
) -> list[dict[str, Tensor]]:
    """For each target the map at each tap, the mean over what smoothing looks at."""
    find = METHODS[way.name].find
    looks: list[list[dict[str, Tensor]]] = []
    for look in smoothing.looks(batch):
        seen = maps if look.batch is batch else _maps(model, look.batch, way.taps)
        views = [View(model, look.batch, tap, seen[tap], way.relu_weights) for tap in way.taps]
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
    heat = _stretched(model, grids, name, batch.shape[2:])
    values, likely = target.score(scores).tolist(), target.probability(model.probabilities(scores))
    return [
        Explanation(
            heatmap=to_picture(heat[number], model.preprocessing, picture.shape[:2]),
            score=values[number],
            label=target.labels[number],
            method=name,
            grids={tap: grid[number].float().cpu().numpy() for tap, grid in grids.items()},
            picture=picture,
            probability=likely[number],
        )
        for number, picture in enumerate(pictures)
    ]


def _stretched(model: Explainable, grids: Mapping[str, Tensor], name: str, size: Sequence[int]) -> Tensor:
    """The taps' maps as one, over the network's input."""
    shown = {tap: grid.relu() if METHODS[name].rectified else grid for tap, grid in grids.items()}
    fields = {tap: None if tap == INPUT else model.field(tap) for tap in grids}
    maps = [to_input(grid, size[0], size[1], fields[tap]) for tap, grid in shown.items()]
    if name != "cam" and len(maps) > 1:
        highest = [one.amax(dim=(1, 2), keepdim=True) for one in maps]
        maps = [torch.where(high > 0, one / high, one) / len(maps) for one, high in zip(maps, highest, strict=True)]
    return torch.stack(maps).sum(dim=0)
