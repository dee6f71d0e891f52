"""How good a model is on pictures that it has not been trained on."""

from __future__ import annotations

from typing import Any

from convolens.media.files import AnyPath
from convolens.tasks.classify import Classifier
from convolens.tasks.localize import Localizer
from convolens.workflows.classifying import figures, score_pictures
from convolens.workflows.data import Skipped, read_data
from convolens.workflows.data.dataset import need_one_label
from convolens.workflows.locating import measure_localizer


def evaluate(model: Classifier | Localizer, data: AnyPath, *, batch: int = 16, progress: bool = True) -> dict[str, Any]:
    """Runs the model over a folder of class folders and compares.

    Args:
        model: a classifier, or a localizer.
        data: a folder with one folder of pictures for each class, or any other format of `workflows.data`; names
            as the model's, some may be missing.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar with the time left.

    Returns:
        For a classifier `count top1 top5 macro_f1 ece per_class confusion`, or, where a picture may show several
        classes, `count mean_ap macro_f1 exact per_class`, as in `convolens.workflows.metrics`; for a localizer the
        figures of `convolens.workflows.locating`. And `skipped`: files that could not be used, path and reason.

    Raises:
        FileError: the folder is not there.
        DataError: a class that the model does not know, or no picture that can be used.
    """
    read = read_data(data, class_names=model.class_names)
    skipped: list[Skipped] = list(read.skipped)
    if isinstance(model, Localizer):
        found = measure_localizer(model, read.examples, skipped, batch=batch)
    else:
        if model.exclusive:
            need_one_label(read)
        scores, used = score_pictures(model, read.examples, skipped, batch=batch, source=read.root, progress=progress)
        found = figures(model, scores, used)
    return found | {"skipped": [{"path": str(one.path), "reason": one.reason} for one in skipped]}
