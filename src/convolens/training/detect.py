"""Training a detector: what is where, many at once, by one loss; in pictures, or in those of sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from convolens.data import DataSet, Example
from convolens.data.augment_objects import ObjectAugmentation
from convolens.data.augment_sounds import SoundAugmentation
from convolens.data.sounds import by_hearing, is_of_sounds
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.detect import Detected, detect_all
from convolens.media.files import make_folder
from convolens.models.detect import DetectionLoss, Detector
from convolens.models.detect.build import Size, detector
from convolens.models.detect.default_boxes import Shapes
from convolens.models.detect.loss import BoxLoss, Objectness
from convolens.training.detect_objective import DetectObjective
from convolens.training.detect_sounds import PLAIN, DetectSoundsObjective, hearing_of_labels, in_stretches
from convolens.training.fit_boxes import fitted_shapes, object_sides
from convolens.training.request import Request
from convolens.training.run_folder import Run
from convolens.training.run_task import PictureObjective, run_on_boxes
from convolens.training.sounds import hearing_trunk, need_own
from convolens.trunks import Trunk
from convolens.trunks.options import pick_device

SIZE = 300  # the paper's
UNCHANGED = ObjectAugmentation(1.0, crop=False, flip=False, color_jitter=0.0)
SAVED_METRICS = ("ap", "ap50", "ap75", "count")


def train_detector(
    request: Request,
    *,
    fit_boxes: bool = False,
    objectness: Objectness = "softmax",
    box_loss: BoxLoss = "smooth_l1",
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    negatives: float = 3.0,
    negatives_when_empty: int = 12,
    zoom_out: float = 4.0,
    crop: bool = True,
    flip: bool | None = None,
    color_jitter: float | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    bands: int | None = None,
    noise: float | None = None,
    masks: int | None = None,
) -> Run:
    """Trains a detector on pictures with any number of boxes, or on sounds with labels of time and pitch.

    Default boxes are always fitted to sounds' labels, which have other shapes than things in photos. Options and errors
    are those of `convolens.train`.
    """
    own = {name: value for name, value in locals().items() if name != "request"}
    loss = DetectionLoss(box_loss, class_weight, box_weight, object_weight, negatives, negatives_when_empty)
    seen = ObjectAugmentation(
        zoom_out, crop, True if flip is None else flip, 1.0 if color_jitter is None else color_jitter
    )
    of_sounds = {name: value for name, value in (("noise", noise), ("masks", masks)) if value is not None}
    heard = SoundAugmentation(nothing=0, **of_sounds)  # type: ignore[arg-type]
    settings = request.settings()
    request.need_free_run()
    data = request.datasets(settings.seed, _need_objects)
    of_pictures = {
        "zoom_out": None if zoom_out == 4 else zoom_out, "crop": None if crop else crop, "flip": flip,
        "color_jitter": color_jitter, "size": request.size,
    }  # fmt: skip
    need_own(data[0], of_pictures, of_sounds | {"rate": rate, "seconds": seconds, "bands": bands})
    hearing = hearing_of_labels(data[0], rate, seconds, bands) if is_of_sounds(data[0]) else None
    make = partial(_made, request, data[0].class_names, hearing, objectness, settings.seed)
    predict: Callable[[Detector, Sequence[Example]], Detected] = detect_all
    if hearing is not None:  # shown stretches of recordings, and measured on the whole of them
        data = by_hearing(data[0], hearing), by_hearing(data[1], hearing)
        predict = partial(_detect_in_all_of, data[1])
        data = in_stretches(data[0], hearing), in_stretches(data[1], hearing)
        own |= {"sound": hearing.to_dict()}
    model = make()
    make_folder(request.run)  # before what takes long
    if fit_boxes or hearing is not None:
        model = _fitted(make, model, data[0], settings.seed)
    _need_size(model, request.size)
    model.to(pick_device(request.device))
    objectives: tuple[PictureObjective, PictureObjective]
    if hearing is None:
        objectives = DetectObjective(model, seen, loss), DetectObjective(model, UNCHANGED, loss)
    else:
        objectives = DetectSoundsObjective(model, heard, loss), DetectSoundsObjective(model, PLAIN, loss)
    requested = own | asdict(seen if hearing is None else heard)
    return run_on_boxes(request, settings, model, data, objectives, predict, SAVED_METRICS, requested)


def _made(
    request: Request,
    class_names: Sequence[str],
    hearing: Hearing | None,
    objectness: Objectness,
    seed: int,
    boxes: Shapes | None = None,
) -> Detector:
    """A detector to train, on the CPU, with the default boxes that are given."""
    trunk: str | Trunk
    if hearing is not None:
        trunk, weights = hearing_trunk(request.make_trunk(seed, channels=1), hearing), None
        size: Size = (hearing.bands, hearing.columns)
    else:
        plain = (request.stem, request.width) == ("full", 1.0)
        trunk, weights = request.trunk if plain else request.make_trunk(seed), request.weights
        size = SIZE if request.size is None else request.size
    return detector(
        trunk, size=size, classes=class_names, weights=weights, taps=request.taps, boxes=boxes,
        objectness=objectness, width=request.width, seed=seed, device="cpu",
    )  # fmt: skip


def _detect_in_all_of(recordings: DataSet, model: Detector, _: Sequence[Example]) -> Detected:
    """What is found in whole recordings, whatever stretches of them there are."""
    return detect_all(model, recordings.examples)


def _fitted(make: Callable[..., Detector], model: Detector, training_data: DataSet, seed: int) -> Detector:
    """Makes a detector with as many default boxes at a cell, their shapes fitted to the training set's objects."""
    grids = [(level.rows, level.columns) for level in model.defaults.levels]
    count = sum(len(level.shapes) for level in model.defaults.levels)
    shapes = fitted_shapes(object_sides(training_data.examples), grids, count, seed=seed)
    fitted = make(boxes=shapes)
    if fitted.defaults.shapes != shapes:
        raise ArgumentError("fit_boxes: need a detector made anew, got weights of a whole one, whose boxes stay")
    return fitted


def _need_size(model: Detector, size: int | tuple[int, int] | None) -> None:
    """Refuses another size than the one that a whole detector brings."""
    wanted = (size, size) if isinstance(size, int) else size
    if wanted is not None and model.size != tuple(wanted):
        raise ArgumentError(f"size: need the {model.size[0]}×{model.size[1]} pixels of these weights, got {size}")


def _need_objects(data: DataSet) -> None:
    if data.kind != "boxes":
        raise DataError(f"{data.root}: need pictures with boxes to detect, got classes without; train classify on them")
    if not any(example.objects for example in data.examples):
        raise DataError(
            f"{data.root}: need objects to train and to validate on, got {len(data):,} pictures without any"
        )
