"""A data set's labels looked through, whatever they are: of pictures, or boxes in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convolens.arrays import as_flag, as_real, as_whole
from convolens.data import DataSet
from convolens.data.dataset import need_one_label
from convolens.data.reading import need_data, read_sound, read_with_faults, with_sound_boxes
from convolens.errors import ArgumentError, DataError
from convolens.labels.checking_boxes import check_boxes
from convolens.labels.checking_pictures import check_pictures
from convolens.labels.detections import Detected, detected_by, detected_by_folds
from convolens.labels.found import AT_LEAST, LabelCheck
from convolens.media.files import AnyPath
from convolens.media.inputs import reads
from convolens.training.chosen import weights_at_hand
from convolens.training.train import TRUNK
from convolens.trunks.registry import trunk as make_trunk

FOLDS = 5


@reads("data", "weights", "model")
def check_labels(
    data: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    trunk: str | None = None,
    weights: AnyPath | None = None,
    taps: Sequence[str] | str | None = None,
    size: int | None = None,
    folds: int = FOLDS,
    model: AnyPath | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    at_least: float = AT_LEAST,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> LabelCheck:
    """Finds labels that are likely wrong, and boxes.

    *One label for each picture*: every picture goes through a trunk once. Linear heads on its features, each found on
    the other folds, say what each picture shows; where that speaks against the label more than the heads' usual
    mistakes explain, it is a suspect.

    *Boxes*: what a detector finds that did not learn from them is held beside them. What is there and not said is
    missing, what is said and not there invented; others are shifted, or confused with another class. Without `model`, a
    detector is trained for each fold on the others, which takes as long as as many trainings.

    Args:
        data: of any format, with one label for each picture, or with boxes.
        format: its name, where it is not to be guessed.
        trunk: the network whose features are looked at; of boxes, that detectors are trained with. None: one whose
            weights are at hand, as `train` chooses.
        weights: of the trunk: a name or a file.
        taps: the trunk's taps (layers) that the heads look at. None: the deepest that still says where, and before
            it each that is twice as fine as the next.
        size: the side in pixels that pictures are brought to. None: as the weights' preprocessing leaves them.
        folds: parts of the pictures; each is judged by heads, or detectors, found on the others.
        model: of boxes: a detector to judge them by, which learned from other pictures; then none is trained.
        epochs: of boxes: of training each fold's detector. None: as `train` chooses.
        minutes: of boxes: of training each fold's detector, at most.
        at_least: the probability of being wrong from which a label is a suspect.
        seed: of the folds.
        device: where the trunk runs: `auto` (the GPU where there is one), `cpu`, `cuda`, …
        progress: shows a bar with the time left.

    Raises:
        ArgumentError: no such trunk, tap or format, or a value that cannot be used; or an option of boxes for labels.
        DataError: pictures with several labels, or one of several without any; fewer than two classes with two pictures
            that can be used, or no class with two boxes; or a model of other classes.
        FileError, WeightsError: the data or the weights cannot be read.
        MemoryRefused: the features are more than the budget of memory.
    """
    need_data(data)
    folds = as_whole(folds, "folds", 2)
    as_flag(progress, "progress")
    seed = as_whole(seed, "seed", 0)
    at_least = float(as_real(at_least, "at_least", "a probability from 0 to 1", lambda value: 0 <= value <= 1))
    found = _read(data, format)
    if found.kind == "boxes":
        chosen = {"trunk": trunk, "weights": weights, "taps": taps, "size": size, "epochs": epochs, "minutes": minutes}
        given = {name: value for name, value in chosen.items() if value is not None}
        detected = _detected(found, data, format, model, folds, given, seed=seed, device=device, progress=progress)
        return check_boxes(found, *detected, folds=folds, at_least=at_least, seed=seed)
    for name, value in (("model", model), ("epochs", epochs), ("minutes", minutes)):
        if value is not None:
            raise ArgumentError(f"{name}: need data with boxes for it, got {data}, with one label for each picture")
    if trunk is None:
        trunk, weights = weights_at_hand("classify") if weights is None else (TRUNK, weights)
    body = make_trunk(trunk, weights=weights, seed=seed, device=device)
    if size is not None:
        body.preprocessing = body.preprocessing.cropped(as_whole(size, "size", 1))
    return check_pictures(found, body, taps, folds=folds, at_least=at_least, seed=seed, progress=progress)


def _detected(
    found: DataSet, data: AnyPath, form: str | None, model: AnyPath | None, folds: int, given: dict[str, Any],
    *, seed: int, device: str, progress: bool,
) -> Detected:  # fmt: skip
    if model is None:
        if form is not None:
            raise ArgumentError("format: need a model to judge boxes by where it is not guessed, got none; train one")
        return detected_by_folds(found, data, folds, seed=seed, device=device, progress=progress, options=given)
    if given:
        name = next(iter(given))
        raise ArgumentError(f"{name}: need boxes to be judged by detectors trained for it, got a model: {model}")
    return detected_by(model, found, device=device, progress=progress)


def _read(path: AnyPath, format_name: str | None) -> DataSet:
    """The data; a class without pictures is no hindrance here."""
    reading = read_with_faults(path, format=format_name)
    if any(one.kind != "empty class" for one in reading.faults):
        return read_sound(path, format=format_name)  # which refuses it
    if reading.data.kind == "boxes":
        return with_sound_boxes(reading.data)
    if reading.data.kind != "label":
        raise DataError(f"{path}: need one label for each picture to judge, or boxes, got any number of labels")
    need_one_label(reading.data)
    return reading.data
