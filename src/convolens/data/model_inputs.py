"""From picture files to the batches of a model, with a bar; what cannot be used is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from convolens.data import Example, Skipped, pictures
from convolens.errors import ShapeError
from convolens.models.classify import Classifier
from convolens.models.inputs import batches
from convolens.progress import track


def model_batches(
    model: Classifier,
    examples: Sequence[Example],
    used: list[Example],
    skipped: list[Skipped],
    *,
    batch: int,
    what: str,
    progress: bool,
) -> Iterator[Tensor]:
    """Preprocessed batches of the pictures that can be read and are large enough for the model's taps.

    Args:
        model: whose preprocessing and taps count.
        examples: to read, in order.
        used: each example whose picture goes into a batch is appended here.
        skipped: what cannot be used is appended here.
        batch: at most so many at once.
        what: stands before the bar.
        progress: shows the bar.
    """

    def singles() -> Iterator[Tensor]:
        for example, picture in pictures(track(examples, what, len(examples), show=progress), skipped):
            try:
                one = model.preprocess(picture)
                model.need_room(one)
            except ShapeError as error:
                skipped.append(Skipped(example.path, f"{example.path}: {error}"))
                continue
            used.append(example)
            yield one

    return batches(singles(), batch)
