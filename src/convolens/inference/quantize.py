"""A model in 8-bit integers: the levels of each layer's inputs, from pictures such as it will see.

A layer's inputs become one of 256 levels, its weights one of 255, with a step for each filter, and their products are
summed exactly (`layers.levels`, core/kernels/int8.cpp), the same on every processor. First layers, which see the
pictures themselves, stay as they are: they take little of the time, and rounding does most harm there. What a layer
gains by integers depends on the processor; where float32 is faster, it stays with that.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sized
from itertools import islice
from typing import Any, TypeVar

from convolens.arrays import Real, as_flag, as_real
from convolens.errors import ArgumentError
from convolens.evaluation.eight_bits import AT_MOST, compared
from convolens.evaluation.evaluate import evaluate
from convolens.layers.levels import give_levels, given_levels, measuring
from convolens.media.files import AnyPath
from convolens.media.inputs import reads
from convolens.media.notes import note
from convolens.media.pixels import Picture, as_pictures
from convolens.models import Model
from convolens.models.classify import Classifier
from convolens.models.inputs import evaluating
from convolens.models.trunk_model import need_unfused
from convolens.progress import track
from convolens.settings import precision

LOOKED_AT = 200  # pictures; more change the levels by less than a level

Quantized = TypeVar("Quantized", bound=Model)


@reads("labeled")
def quantize(
    model: Quantized,
    pictures: Picture | Iterable[Picture],
    *,
    labeled: AnyPath | None = None,
    at_most: Real = AT_MOST,
    progress: bool = True,
) -> Quantized:
    """A copy of a model that computes in 8-bit integers on the CPU, where no gradient follows.

    Args:
        model: a classifier, a localizer or a detector.
        pictures: such as it will see, a few dozen at least, as `predict` takes them; of more than 200 those are looked
            at that are spread over all of them, of an iterator the first 200. They need no labels.
        labeled: data with answers, to measure on what is lost: the metric before and after is then in `int8` and in the
            model's file.
        at_most: points of the metric that may be lost.
        progress: shows a bar with the time left.

    Returns:
        A model of the same kind, in evaluation mode: `save`, `load`, `predict`, `evaluate` and the commands as ever.
        It is explained and exported by its weights in float32, and `cl.precision("exact")` computes with those. How
        familiar pictures are to a classifier it does not say.

    Raises:
        ArgumentError: no such model, a fused copy, no pictures, or points that are none.
        ExportError: more than `at_most` points are lost.
        FileError: a picture or the data cannot be read.

    >>> import numpy as np
    >>> from convolens.models.classify import classifier
    >>> draw = np.random.default_rng(0)
    >>> photos = draw.integers(0, 256, (4, 32, 32, 3), np.uint8)
    >>> small = quantize(classifier("resnet18", classes=["cat", "dog"]), photos, progress=False)
    >>> small.predict(photos[0]).labels[0] in ("cat", "dog")
    True
    """
    if not isinstance(model, Model):
        raise ArgumentError(f"model: need a classifier, a localizer or a detector, got {type(model).__name__}")
    need_unfused(model, "quantize")
    progress = as_flag(progress, "progress")
    most = as_real(at_most, "at_most", "a number of points from 0 to 100", lambda value: 0 <= value <= 100)
    several, _ = as_pictures(pictures)
    seen = list(several if isinstance(several, Sized) else islice(several, LOOKED_AT))
    if not seen:
        raise ArgumentError("pictures: need some such as the model will see, got none")
    if labeled is not None and precision() == "exact":
        raise ArgumentError("labeled: need cl.precision('fast') to measure what 8 bits lose, got 'exact', without them")
    before = None if labeled is None else evaluate(_plain(model), labeled, device="cpu", progress=progress)
    for one in () if before is None else before["skipped"]:
        note(f"{one['path']}: left out of what is measured: {one['reason']}")
    small = copy.deepcopy(model)
    small.int8 = {}
    if isinstance(small, Classifier):
        small.familiarity = None  # distances in 8 bits are others, and were measured on none
    give_levels(small, {})
    chosen = [seen[len(seen) * at // LOOKED_AT] for at in range(LOOKED_AT)] if len(seen) > LOOKED_AT else seen
    with evaluating(small), measuring(small) as found:
        for picture in track(chosen, "pictures", len(chosen), show=progress):
            small(small.preprocess([picture]))
    give_levels(small, {name: one.levels() for name, one in found.items() if _worth(small.get_submodule(name))})
    if labeled is not None and before is not None:
        after = evaluate(small, labeled, device="cpu", progress=progress)
        small.int8 = compared(model.task, getattr(model, "multi_label", False), before, after, labeled, most)
    small.eval()
    return small


def _worth(layer: Any) -> bool:
    """Whether a layer is one that integers are for: not one that sees a picture, nor one with groups."""
    return bool(layer.groups == 1 and layer.in_channels > len("RGBA"))


def _plain(model: Model) -> Model:
    """The model in float32: itself, or a copy of one that is quantized already."""
    if not given_levels(model):
        return model
    plain = copy.deepcopy(model)
    give_levels(plain, {})
    return plain
