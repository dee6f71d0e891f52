"""From pictures and questions to explanations, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ShapeError
from convolens.explanation.explanation import Explanation
from convolens.explanation.methods import METHODS, Way
from convolens.explanation.placing import to_input, to_picture
from convolens.explanation.smoothing import Look, Smoothing
from convolens.explanation.subject import INPUT, View
from convolens.explanation.targets import Target
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.media.read_ahead import read_ahead
from convolens.models.inputs import batches
from convolens.models.tap_scores import TapScores


def explain_each(
    model: TapScores,
    pictures: Iterable[Picture],
    asked: Callable[[Tensor], Sequence[Target]],
    ways: Sequence[Way],
    smoothing: Smoothing,
    batch: int,
) -> Iterator[list[list[Explanation]]]:
    """For each picture, by each way, an explanation of each target that is asked for given the scores.

    A picture is decoded once, and the trunk run once up to the deepest tap of all ways; few pictures are held.
    """
    singles = ((model.preprocess(pixels), pixels) for _, pixels in read_ahead(_opaque, pictures))
    for one, shown in batches(singles, batch):
        yield from _of_batch(model, one, shown, asked, ways, smoothing)


def _opaque(picture: Picture) -> NDArray[Any]:
    return over_white(as_pixels(picture))


def _of_batch(
    model: TapScores,
    batch: Tensor,
    pictures: Sequence[NDArray[Any]],
    asked: Callable[[Tensor], Sequence[Target]],
    ways: Sequence[Way],
    smoothing: Smoothing,
) -> Iterator[list[list[Explanation]]]:
    with torch.no_grad():
        maps = _maps(model, batch, ways)
        scores = _scores(model, batch, maps)
        targets = asked(scores)
        by_way = [
            [
                _placed(model, batch, pictures, grids, target, scores, way.name)
                for grids, target in zip(several, targets, strict=True)
            ]
            for way, several in zip(ways, _grids(model, batch, maps, targets, ways, smoothing), strict=True)
        ]
    for number in range(len(pictures)):
        yield [[of_target[number] for of_target in of_way] for of_way in by_way]


def _maps(model: TapScores, batch: Tensor, ways: Sequence[Way]) -> dict[str, Tensor]:
    """The batch itself, the maps that the ways look at, and those of the head's taps before them."""
    looked_at = {tap for way in ways for tap in way.taps} - {INPUT}
    deepest = max((model.passed_taps.index(tap) for tap in looked_at), default=-1)
    before = model.passed_taps[: deepest + 1]
    needed = [tap for tap in before if tap in looked_at or tap in model.taps]
    maps = {INPUT: batch} | (model.maps(batch, needed) if needed else {})
    for way in ways:
        if all(maps[tap].shape[2:] == (1, 1) for tap in way.taps):
            raise ShapeError(
                f"tap {', '.join(way.taps)}: need a map of more than one cell to say where, got 1×1; take an earlier "
                "tap or a larger picture"
            )
    return maps


def _scores(model: TapScores, batch: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    """From the deepest map on, rather than from the start again."""
    taps = [tap for tap in maps if tap != INPUT]
    if not taps:
        return model(batch)
    deepest = max(taps, key=model.passed_taps.index)
    return model.rest(batch, deepest, maps)(maps[deepest])


def _grids(
    model: TapScores,
    batch: Tensor,
    maps: dict[str, Tensor],
    targets: Sequence[Target],
    ways: Sequence[Way],
    smoothing: Smoothing,
) -> list[list[dict[str, Tensor]]]:
    """By each way, for each target the map at each tap, the mean over what smoothing looks at."""
    looks: list[list[list[dict[str, Tensor]]]] = []
    for look in smoothing.looks(batch):
        seen = maps if look.batch is batch else _maps(model, look.batch, ways)
        looks.append([_found(model, look, seen, targets, way) for way in ways])
    return [
        [
            {tap: torch.stack([look[tap] for look in same]).mean(dim=0) for tap in way.taps}
            for same in zip(*of_way, strict=True)
        ]
        for way, of_way in zip(ways, zip(*looks, strict=True), strict=True)
    ]


def _found(
    model: TapScores, look: Look, maps: Mapping[str, Tensor], targets: Sequence[Target], way: Way
) -> list[dict[str, Tensor]]:
    find = METHODS[way.name].find
    views = [View(model, look.batch, tap, maps[tap], way.relu_weights, maps) for tap in way.taps]
    return [{view.tap: look.turned_back(find(view, target)) for view in views} for target in targets]


def _placed(
    model: TapScores,
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


def _stretched(model: TapScores, grids: Mapping[str, Tensor], name: str, size: Sequence[int]) -> Tensor:
    """The taps' maps as one, over the network's input."""
    shown = {tap: grid.relu() if METHODS[name].rectified else grid for tap, grid in grids.items()}
    fields = {tap: None if tap == INPUT else model.field(tap) for tap in grids}
    maps = [to_input(grid, size[0], size[1], fields[tap]) for tap, grid in shown.items()]
    if name != "cam" and len(maps) > 1:
        highest = [one.amax(dim=(1, 2), keepdim=True) for one in maps]
        maps = [torch.where(high > 0, one / high, one) / len(maps) for one, high in zip(maps, highest, strict=True)]
    return torch.stack(maps).sum(dim=0)
