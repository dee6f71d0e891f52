"""How good a model is on pictures that it has not been trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.errors import DataError
from convolens.media.files import AnyPath
from convolens.tasks.classify import Classifier
from convolens.tasks.pictures import evaluating
from convolens.workflows.data import Skipped, read_data
from convolens.workflows.data.dataset import need_one_label
from convolens.workflows.metrics import classification_metrics
from convolens.workflows.model_inputs import model_batches


def evaluate(model: Classifier, data: AnyPath, *, batch: int = 16, progress: bool = True) -> dict[str, Any]:
    """Runs the model over a folder of class folders and compares.

    Args:
        model: a classifier.
        data: a folder with one folder of pictures for each class, or any other format of `workflows.data`; names
            as the model's, some may be missing.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar with the time left.

    Returns:
        `count top1 top5 macro_f1 ece per_class confusion`, as in `convolens.workflows.metrics`, and `skipped`: files
        that could not be used, path and reason.

    Raises:
        FileError: the folder is not there.
        DataError: a class that the model does not know, or no picture that can be used.
    """
    read = read_data(data, class_names=model.class_names)
    need_one_label(read)
    labels: list[int] = []
    skipped: list[Skipped] = list(read.skipped)
    with evaluating(model):
        batches = model_batches(model, read.examples, labels, skipped, batch=batch, what="pictures", progress=progress)
        scores = [model(one).softmax(dim=1).cpu().numpy() for one in batches]
    if not scores:
        raise DataError(f"{read.root}: need pictures that can be used, got none; {skipped[0].reason}")
    found = classification_metrics(np.concatenate(scores), np.array(labels), model.class_names)
    return found | {"skipped": [{"path": str(one.path), "reason": one.reason} for one in skipped]}
