"""From files of a class folder to the batches of a model, with a bar; what cannot be used is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from convolens.errors import ShapeError
from convolens.tasks.classify import Classifier
from convolens.tasks.pictures import batches
from convolens.workflows.data import PictureFolder, Sample, Skipped
from convolens.workflows.progress import track


def model_batches(
    model: Classifier,
    folder: PictureFolder,
    samples: Sequence[Sample],
    labels: list[int],
    *,
    batch: int,
    what: str,
    progress: bool,
) -> Iterator[Tensor]:
    """Preprocessed batches of the pictures that can be read and are large enough for the model's taps.

    Args:
        model: whose preprocessing and taps count.
        folder: where the samples come from; what cannot be used is added to its `skipped`.
        samples: to read, in order.
        labels: the class number of each picture that goes into a batch is appended here.
        batch: at most so many at once.
        what: stands before the bar.
        progress: shows the bar.
    """

    def singles() -> Iterator[Tensor]:
        for sample, picture in folder.pictures(track(samples, what, len(samples), show=progress)):
            try:
                one = model.preprocess(picture)
                model.need_room(one)
            except ShapeError as error:
                folder.skipped.append(Skipped(sample.path, f"{sample.path}: {error}"))
                continue
            labels.append(sample.label)
            yield one

    return batches(singles(), batch)
