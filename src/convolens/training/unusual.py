"""Training an inspector: what taps give for good pictures, in one pass, and statistics of that; no steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convolens.arrays import as_real, as_whole
from convolens.data import DataSet, Example, Skipped
from convolens.data.inspection import read_good
from convolens.data.loading import read_usable_batches
from convolens.distributed import joined
from convolens.errors import UNREADABLE, ConvolensError, DataError
from convolens.evaluation.unusual import InspectorEvaluation
from convolens.media.draw import figure_pixels
from convolens.media.files import write_rows
from convolens.media.images import read_header, write_image
from convolens.media.inputs import also_given
from convolens.media.result_folders import BEST
from convolens.memory import need_memory
from convolens.models.inputs import batches, evaluating
from convolens.models.unusual.limit import LEAST
from convolens.models.unusual.model import inspector
from convolens.models.unusual.taps import default_taps, need_grid, place_features
from convolens.progress import track
from convolens.training.request import Request
from convolens.training.run_folder import CURVES, METRICS, Run
from convolens.training.run_task import write_run
from convolens.trunks import Trunk
from convolens.trunks.options import pick_device

BATCH = 16
MOST_SIDE = 256  # of pictures, unless a size is given: what the published methods take, and quick
_EVEN = 16  # pixels that sides are multiples of, so that maps of all taps lie on one grid
_COPIES = 4  # of the features that are held at once, at most: as they are, whitened, and those of one fold's others


def train_unusual(
    request: Request, *, method: Literal["padim", "patchcore"] = "padim", false_alarms: float = 0.01
) -> Run:
    """Finds what good pictures are like. Options and errors are those of `convolens.train`."""
    rate = float(as_real(false_alarms, "false_alarms", "a fraction between 0 and 1", lambda value: 0 < value < 1))
    batch, seed = as_whole(request.training.get("batch", BATCH), "batch", 1), request.settings().seed
    request.need_free_run()
    data = read_good(request.data)
    also_given(example.path for example in data.examples)
    request.need_free_run()
    trunk = request.make_trunk(seed).to(pick_device(request.device))
    size = _input_size(request.side, data)
    trunk.preprocessing = trunk.preprocessing.stretched(size)
    taps = default_taps(trunk) if request.taps is None else trunk.chosen(request.taps)
    grid = need_grid(trunk, taps, size)
    _need_memory(trunk, taps, grid, data)
    request.say(
        f"{trunk.name} with {trunk.weights or 'random weights'}, {method} on {', '.join(taps)}; {len(data):,} good "
        f"pictures at {size[0]}×{size[1]} pixels; one pass over the pictures; into {request.run}"
    )
    with request.run_folder() as run, joined(next(trunk.parameters()).device) as world:
        features, used, skipped = _features(trunk, taps, grid, data.examples, batch, request.progress and world.leads)
        if len(used) < LEAST:
            why = f"; {skipped[0].reason}" if skipped else "; add some"
            raise DataError(
                f"{data.root}: need at least {LEAST} good pictures to know how they vary, got {len(used)}{why}"
            )
        model, scores = inspector(trunk, features, taps=taps, method=method, false_alarms=rate, seed=seed)
        metrics = InspectorEvaluation({"count": len(scores), "false_alarms": float((scores >= 1).mean())})
        model.metrics = {"false_alarms": metrics["false_alarms"], "count": float(len(scores))}

        def written() -> Run:
            model.save(run / BEST)
            rows = [{"path": str(one.path), "score": float(score)} for one, score in zip(used, scores, strict=True)]
            write_rows(run / METRICS, rows)
            _draw(run / CURVES, scores)
            own = {"method": method, "false_alarms": rate, "seed": seed, "batch": batch, "size": list(size)}
            return write_run(run, model, metrics, tuple(skipped), {**request.facts(), **own})

        return world.broadcast(written() if world.leads else None)  # type: ignore[return-value]


def _input_size(side: int | None, data: DataSet) -> tuple[int, int]:
    """Height and width that all pictures are brought to: the first one's shape, its shorter side as requested."""
    if side is not None:
        as_whole(side, "size", 1)
    for example in data.examples:
        try:
            width, height = read_header(example.path).size
        except (*UNREADABLE, ConvolensError):
            continue
        scale = (side or min(height, width, MOST_SIDE)) / min(height, width)
        return _even(height * scale), _even(width * scale)
    raise DataError(f"{data.root}: need good pictures that can be read, got none")


def _even(pixels: float) -> int:
    return max(_EVEN, round(pixels / _EVEN) * _EVEN)


def _need_memory(trunk: Trunk, taps: Sequence[str], grid: tuple[int, int], data: DataSet) -> None:
    numbers = len(data) * math.prod(grid) * sum(trunk.channels(tap) for tap in taps)
    need_memory(
        4 * _COPIES * numbers, f"{data.root}: features of {len(data):,} pictures", "give fewer, or a smaller size"
    )


def _features(
    trunk: Trunk, taps: Sequence[str], grid: tuple[int, int], examples: Sequence[Example], batch: int, progress: bool
) -> tuple[Tensor, list[Example], list[Skipped]]:
    """The features of each place of each picture that can be used."""
    found: list[Tensor] = []
    used: list[Example] = []
    skipped: list[Skipped] = []

    def read(example: Example) -> Tensor:
        return trunk.preprocess([example.path])

    shown = track(examples, "good pictures", len(examples), show=progress)
    with evaluating(trunk):
        for several in read_usable_batches(read, shown, skipped, batch):
            for one, read_ones in batches(((tensor, example) for example, tensor in several), batch):
                found.append(place_features(trunk(one, taps=tuple(taps)), grid).float().cpu())
                used += read_ones
    if not found:
        return torch.zeros(0), used, skipped
    return torch.cat(found).clone(), used, skipped


def _draw(path: Any, scores: np.ndarray) -> None:
    """The scores of good pictures, each by the others, and the limit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.plot(np.sort(scores), marker="o", markersize=3, linewidth=0, color="#0072b2", label="good pictures")
    axes.axhline(1, color="#d55e00", label="the limit")
    axes.set(xlabel="pictures, the least unusual first", ylabel="score", ylim=(0, None))
    axes.legend()
    write_image(path, figure_pixels(figure))
