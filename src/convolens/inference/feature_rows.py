"""What taps give for pictures and sounds, pooled to a number a feature: a row for each, as they are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convolens.effects.sounds.heard import in_windows
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError
from convolens.media.files import AnyPath
from convolens.media.found_sounds import find_sounds
from convolens.media.picture_files import File, Outcome, attempt, count_pictures, decoded_ahead, find_pictures
from convolens.models.inputs import batches, evaluating
from convolens.sources import Share
from convolens.trunks import Trunk

if TYPE_CHECKING:
    from torch import Tensor  # which whoever has no torch is told of by what is imported above

Row = tuple[str, list[NDArray[np.float32]]]


def trunk_of(model: Any) -> Trunk:
    """A trunk, or that of a model. Raises an `ArgumentError` where there is none."""
    found = model if isinstance(model, Trunk) else getattr(model, "trunk", None)
    if not isinstance(found, Trunk):
        raise ArgumentError(
            f"model: need a model in torch or a trunk, whose taps can be looked at, got {type(model).__name__}"
        )
    return found


def files_for(
    model: Any, sources: Sequence[AnyPath], share: Share | None = None
) -> tuple[Iterable[File], int | None, str]:
    """What a model takes of files, folders and patterns, how many there are where that is known, and what they are.

    Of a network that hears these are parts of sounds, as long as it takes at once.

    Raises:
        FileError: a source with nothing of the kind.
        ArgumentError: a share of sounds.
    """
    if not hears(model):
        return find_pictures(sources, share=share), count_pictures(sources, None, share), "pictures"
    if share is not None:
        raise ArgumentError(f"shard: need none for a network that hears, got {share}")
    hearing = model.preprocessing.sound
    parts = [part for path in find_sounds(sources) for part in in_windows(path, hearing)]
    return parts, len(parts), "sounds"


def rows_of(
    model: Any, taps: Sequence[str], files: Iterable[File], batch: int, failed: list[Outcome[Any]]
) -> Iterator[Row]:
    """Each picture's path, and for each tap the mean of each feature; what became of those without goes to `failed`."""
    trunk = trunk_of(model)

    def ready() -> Iterator[tuple[Tensor, str]]:
        for one in decoded_ahead(files):
            found: Outcome[Any] = one
            if one.result is not None:
                found = attempt(one.path, partial(_prepared, model, trunk, taps, one.result))
            if found.result is None:
                failed.append(found)
            else:
                yield found.result, str(one.path)

    with evaluating(model):
        for several, names in batches(ready(), batch):
            maps = trunk(several, taps=tuple(taps))
            pooled = [maps[tap].float().mean(dim=(2, 3)).cpu().numpy() for tap in taps]
            for at, name in enumerate(names):
                yield name, [values[at] for values in pooled]


def _prepared(model: Any, trunk: Trunk, taps: Sequence[str], pixels: NDArray[Any]) -> Tensor:
    prepared: Tensor = model.preprocess([pixels])
    trunk.need_size(taps, prepared.shape[2:], "picture")
    return prepared
