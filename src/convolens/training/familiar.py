"""What a trained classifier keeps of its pictures, so that it knows which are unlike them: one more pass, no steps.

The statistics are of training pictures, and how far pictures may be from them is measured on validation pictures; where
a head is measured by folds, on each fold by the statistics of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.data import DataSet, Example, Skipped
from convolens.data.model_inputs import model_batches
from convolens.distributed import current_world
from convolens.errors import ArgumentError
from convolens.models.classify import Classifier
from convolens.models.familiar import ClassStatistics, Familiarity
from convolens.models.inputs import evaluating

MOST = 20_000  # pictures that statistics are taken of: more change them little, and take memory


class Described(NamedTuple):
    """Descriptions of pictures, `(pictures, features)`, and which pictures these are."""

    features: Tensor
    examples: list[Example]


def every(data: DataSet) -> int:
    """Of how many pictures one is described."""
    return -(-max(1, len(data)) // MOST)


def described(model: Classifier, data: DataSet, batch: int, what: str, progress: bool) -> Described:
    """Describes pictures, at most `MOST` of them.

    Of several processes that were joined each does its part, and each has all.
    What cannot be used is passed over, as the training has told of it.
    """
    world = current_world()
    examples = data.examples[:: every(data)]
    skipped: list[Skipped] = []

    def parts() -> Iterator[tuple[Tensor, list[Example]]]:
        shown = progress and world.leads
        mine = examples[world.part(len(examples), batch)]
        with evaluating(model):
            for one, read in model_batches(model, mine, skipped, batch=batch, what=what, progress=shown):
                yield model.describe(one).float().cpu(), read

    several = [one for part in world.gathered(list(parts())) for one in part]
    if not several:
        return Described(torch.zeros(0, 0), [])
    return Described(torch.cat([one for one, _ in several]), [example for _, read in several for example in read])


def remember(model: Classifier, learned: Described, kept_out: Described, seed: int, say: Callable[[str], None]) -> None:
    """Gives the model statistics of what it learned; of too little it gets none, and that is said."""
    _give(model, say, lambda: Familiarity.fitted(
        learned.features, groups_of(model, learned.examples), kept_out.features, seed
    ))  # fmt: skip


def remember_by_folds(
    model: Classifier, everything: Described, fold: NDArray[np.int64], seed: int, say: Callable[[str], None]
) -> None:
    """The same, where every picture was learned from: each fold is kept out of statistics of the others."""

    def made() -> Familiarity:
        groups, distances = groups_of(model, everything.examples), np.zeros(len(fold))
        for number in np.unique(fold):
            inside = torch.from_numpy(fold == number)
            others = ClassStatistics.fitted(everything.features[~inside], groups[~inside], seed)
            distances[inside.numpy()] = others(everything.features[inside]).numpy()
        return Familiarity.by(ClassStatistics.fitted(everything.features, groups, seed), distances)

    _give(model, say, made)


def groups_of(model: Classifier, examples: Sequence[Example]) -> Tensor:
    """The number of each one's class; where a picture may show several, all are one group."""
    return torch.tensor([0 if model.multi_label else one.labels[0] for one in examples], dtype=torch.long)


def _give(model: Classifier, say: Callable[[str], None], make: Callable[[], Familiarity]) -> None:
    try:
        model.familiarity = make().to(next(model.parameters()).device)
    except ArgumentError as error:
        model.familiarity = None
        say(f"{error}; so the model will not say what is unknown to it")
