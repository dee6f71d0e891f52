"""From picture files to the batches of a model, with a bar; what cannot be used is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from convolens.data import Example, Skipped
from convolens.data.loading import read_usable_batches
from convolens.models.classify import Classifier
from convolens.models.inputs import batches
from convolens.progress import track


def model_batches(
    model: Classifier,
    examples: Sequence[Example],
    skipped: list[Skipped],
    *,
    batch: int,
    what: str,
    progress: bool,
) -> Iterator[tuple[Tensor, list[Example]]]:
    """Yields preprocessed batches, and their examples, of pictures that can be read and are large enough for the taps.

    Those of one size, see `read_usable_batches`.

    Args:
        model: whose preprocessing and taps count.
        examples: to read, in order.
        skipped: what cannot be used is appended here.
        batch: pictures at once, at most.
        what: the words before the bar.
        progress: shows the bar.
    """

    def read(example: Example) -> Tensor:
        one = model.preprocess([example.path])
        model.trunk.need_size(model.taps, one.shape[2:], "picture")
        return one

    shown = track(examples, what, len(examples), show=progress)
    for several in read_usable_batches(read, shown, skipped, batch):
        yield from batches(((one, example) for example, one in several), batch)
