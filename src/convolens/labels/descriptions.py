"""What pictures look like, as numbers to judge labels by: of each feature of some taps its mean and its spread.

A pooled head sees means alone; how much a feature varies over a picture tells surfaces apart whose means are alike. The
directions in which pictures differ most are kept of these numbers: a head found on few pictures, of which some are
mislabelled, makes less of the rest than noise does.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.data import DataSet, Example, Skipped
from convolens.data.model_inputs import model_batches
from convolens.errors import DataError
from convolens.memory import need_memory
from convolens.models.classify import Classifier
from convolens.training.fold_fit import standardized
from convolens.trunks import Trunk

BATCH = 16  # pictures at once through the trunk
DIRECTIONS = 128  # at most; more find no more wrong labels, and take longer
FINER = 2  # times as many cells of a map, down and across, from which a tap shows something else


def taps_by_scale(trunk: Trunk, tap: str, height: int, width: int) -> tuple[str, ...]:
    """The tap, and before it the deepest one whose map is at least twice as fine, and so on; finest first.

    Args:
        trunk: that has them.
        tap: the deepest one.
        height: of what the network gets.
        width: likewise.
    """
    found = [tap]
    cells = trunk.map_size(tap, height, width)[0]
    for one in reversed(trunk.taps[: trunk.taps.index(tap)]):
        if (finer := trunk.map_size(one, height, width)[0]) >= FINER * cells:
            found.append(one)
            cells = finer
    return tuple(reversed(found))


def describe(
    model: Classifier, data: DataSet, progress: bool
) -> tuple[Float[Tensor, "pictures features"], list[Example], list[Skipped]]:
    """The mean and the standard deviation of each feature at the model's taps, for each picture that can be used.

    Raises:
        DataError: there is none.
        MemoryRefused: they are more than the budget of memory.
    """
    features: Tensor | None = None  # in one place from the beginning: pieces would be there twice when put together
    used: list[Example] = []
    skipped: list[Skipped] = []
    with torch.inference_mode():
        for one, examples in model_batches(
            model, data.examples, skipped, batch=BATCH, what="features", progress=progress
        ):
            maps = model.trunk(one, taps=model.taps)
            parts = [part for tap in model.taps for part in mean_and_spread(maps[tap])]
            if features is None:
                count = sum(part.shape[1] for part in parts)
                need_memory(8.0 * len(data) * count, f"{data.root}: features of {len(data):,} pictures",
                            "take a tap with fewer features")  # fmt: skip
                features = torch.empty(len(data), count)
            features[len(used) : len(used) + len(examples)] = torch.cat(parts, dim=1)
            used += examples
    skipped = [*data.skipped, *skipped]
    if features is None:
        raise DataError(f"{data.root}: need pictures that can be used, got none; {skipped[0].reason}")
    return features[: len(used)], used, skipped


def mean_and_spread(
    one: Float[Tensor, "pictures features rows columns"],
) -> tuple[Float[Tensor, "pictures features"], Float[Tensor, "pictures features"]]:
    """Of each feature over a picture."""
    cells = one.flatten(2)
    return cells.mean(dim=2), cells.std(dim=2, correction=0)


def main_directions(features: Float[Tensor, "pictures features"]) -> Float[Tensor, "pictures directions"]:
    """The features along the `DIRECTIONS` in which they vary most, each standardized before.

    >>> x = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]).repeat(1, 100)
    >>> main_directions(x).shape
    torch.Size([3, 128])
    """
    x = standardized(features).values
    if x.shape[1] <= DIRECTIONS:
        return x
    _, axes = torch.linalg.eigh((x.T @ x).double())  # in rising order
    found: Tensor = x @ axes[:, -DIRECTIONS:].float()
    return found
