"""From pictures and requests to explanations, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.errors import ShapeError
from convolens.explanation.explanation import Explanation
from convolens.explanation.methods import METHODS, Request
from convolens.explanation.smoothing import Copy, Smoothing
from convolens.explanation.targets import Target
from convolens.explanation.upsampling import to_input, to_picture
from convolens.explanation.view import INPUT, View
from convolens.media.pixels import Picture, as_pixels, over_white
from convolens.media.read_ahead import read_ahead
from convolens.models.inputs import batches
from convolens.models.tap_scores import TapScores

Targets = Callable[[Tensor], Sequence[Target]]  # the scores of a batch → what is explained of it


def run(
    model: TapScores,
    pictures: Iterable[Picture],
    targets: Targets,
    requests: Sequence[Request],
    smoothing: Smoothing,
    batch: int,
) -> Iterator[list[list[Explanation]]]:
    """An explanation of each target, for each picture and by each request.

    A picture is decoded once, and the trunk run once up to the deepest tap of all requests; few pictures are held.
    """
    singles = ((model.preprocess(pixels), pixels) for _, pixels in read_ahead(_opaque, pictures))
    for inputs, several in batches(singles, batch):
        yield from _explain_batch(model, inputs, several, targets, requests, smoothing)


def _opaque(picture: Picture) -> NDArray[Any]:
    return over_white(as_pixels(picture))


def _explain_batch(
    model: TapScores,
    batch: Tensor,
    pictures: Sequence[NDArray[Any]],
    targets: Targets,
    requests: Sequence[Request],
    smoothing: Smoothing,
) -> Iterator[list[list[Explanation]]]:
    with torch.no_grad():
        maps = _maps(model, batch, requests)
        scores = _scores(model, batch, maps)
        chosen = targets(scores)
        by_request = [
            [
                _explanations(model, batch, pictures, grids, target, scores, request.method)
                for grids, target in zip(of_targets, chosen, strict=True)
            ]
            for request, of_targets in zip(
                requests, _grids(model, batch, maps, chosen, requests, smoothing), strict=True
            )
        ]
    for number in range(len(pictures)):
        yield [[of_target[number] for of_target in of_request] for of_request in by_request]


def _maps(model: TapScores, batch: Tensor, requests: Sequence[Request]) -> dict[str, Tensor]:
    """The batch itself, the maps at the requests' taps, and those at the head's taps before them."""
    requested = {tap for request in requests for tap in request.taps} - {INPUT}
    deepest = max((model.passed_taps.index(tap) for tap in requested), default=-1)
    before = model.passed_taps[: deepest + 1]
    needed = [tap for tap in before if tap in requested or tap in model.taps]
    maps = {INPUT: batch} | (model.maps(batch, needed) if needed else {})
    for request in requests:
        if all(maps[tap].shape[2:] == (1, 1) for tap in request.taps):
            raise ShapeError(
                f"tap {', '.join(request.taps)}: need a map of more than one cell to say where, got 1×1; take an "
                "earlier tap or a larger picture"
            )
    return maps


def _scores(model: TapScores, batch: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    """Computed from the deepest map, rather than from the start again."""
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
    requests: Sequence[Request],
    smoothing: Smoothing,
) -> list[list[dict[str, Tensor]]]:
    """The map at each tap, by each request for each target: the mean over the copies that smoothing makes."""
    of_copies: list[list[list[dict[str, Tensor]]]] = []
    for copy in smoothing.copies(batch):
        at = maps if copy.batch is batch else _maps(model, copy.batch, requests)
        of_copies.append([_grids_of_copy(model, copy, at, targets, request) for request in requests])
    return [
        [
            {tap: torch.stack([grids[tap] for grids in of_target]).mean(dim=0) for tap in request.taps}
            for of_target in zip(*of_request, strict=True)
        ]
        for request, of_request in zip(requests, zip(*of_copies, strict=True), strict=True)
    ]


def _grids_of_copy(
    model: TapScores, copy: Copy, maps: Mapping[str, Tensor], targets: Sequence[Target], request: Request
) -> list[dict[str, Tensor]]:
    find = METHODS[request.method].find
    views = [View(model, copy.batch, tap, maps[tap], request.relu_weights, maps) for tap in request.taps]
    return [{view.tap: copy.unflipped(find(view, target)) for view in views} for target in targets]


def _explanations(
    model: TapScores,
    batch: Tensor,
    pictures: Sequence[NDArray[Any]],
    grids: Mapping[str, Tensor],
    target: Target,
    scores: Tensor,
    method: str,
) -> list[Explanation]:
    """One for each picture: the map in its own pixels, and what the map is of."""
    heat = _upsampled(model, grids, method, batch.shape[2:])
    values, likely = target.score(scores).tolist(), target.probability(model.probabilities(scores))
    return [
        Explanation(
            heatmap=to_picture(heat[number], model.preprocessing, picture.shape[:2]),
            score=values[number],
            label=target.labels[number],
            method=method,
            grids={tap: grid[number].float().cpu().numpy() for tap, grid in grids.items()},
            picture=picture,
            probability=likely[number],
        )
        for number, picture in enumerate(pictures)
    ]


def _upsampled(model: TapScores, grids: Mapping[str, Tensor], method: str, size: Sequence[int]) -> Tensor:
    """The taps' maps as one, over the network's input."""
    rectified = {tap: grid.relu() if METHODS[method].rectified else grid for tap, grid in grids.items()}
    fields = {tap: None if tap == INPUT else model.field(tap) for tap in grids}
    maps = [to_input(grid, size[0], size[1], fields[tap]) for tap, grid in rectified.items()]
    if method != "cam" and len(maps) > 1:
        highest = [one.amax(dim=(1, 2), keepdim=True) for one in maps]
        maps = [torch.where(high > 0, one / high, one) / len(maps) for one, high in zip(maps, highest, strict=True)]
    return torch.stack(maps).sum(dim=0)
