"""`convolens.export`: a model as one ONNX file, which gets its name once ONNX Runtime gives the model's answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from convolens.arrays import Real, as_flag
from convolens.errors import ArgumentError, need_package
from convolens.exported.facts import BATCH, PICTURE, PICTURES, Facts
from convolens.exported.loading import load_exported
from convolens.exported.pictures import as_eight_bit
from convolens.exported.session import open_session
from convolens.exporting.eight_bits import AT_MOST, EightBits, told
from convolens.exporting.tasks import Exportable, exportable
from convolens.media.files import AnyPath, need_target, writing
from convolens.media.inputs import reads
from convolens.media.pixels import Picture, as_pictures
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.localize import Localizer
from convolens.models.trunk_model import need_unfused
from convolens.trunks import Trunk

OPSET = 18  # the first whose Resize antialiases; the oldest is what most runtimes have
MAX_OPSET = 21  # the last for the version of the file format that is written


@dataclass(frozen=True)
class Export:
    """A file that was written.

    Attributes:
        path: where it is.
        check: `pictures`, how many the file was compared with the model on, and the largest differences: of a
            `probability`, of boxes in `pixels`, of a `feature` as a fraction of its map's largest value. Of a file
            in 8 bits: before it was brought to them.
        int8: of a file in 8 bits: `metric`, its name, what it was `before` and is `after`, on how many `pictures`.
    """

    path: Path
    check: dict[str, float]
    int8: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = {"probability": "in probabilities", "pixels": "pixels in boxes", "feature": "of the largest feature"}
        largest = ", ".join(f"{self.check[kind]:.1e} {word}" for kind, word in words.items() if kind in self.check)
        agrees = f"ONNX Runtime agrees on {self.check['pictures']} pictures; largest difference {largest}"
        return f"{agrees}; {told(self.int8)}" if self.int8 else agrees


@reads("check", "int8", "labeled")
def export(
    model: Classifier | Localizer | Detector | Trunk,
    path: AnyPath,
    *,
    taps: Sequence[str] | str | None = None,
    check: Picture | Iterable[Picture] | None = None,
    opset: int = OPSET,
    batched: bool = False,
    raw: bool = False,
    int8: Picture | Iterable[Picture] | None = None,
    labeled: AnyPath | None = None,
    at_most: Real = AT_MOST,
) -> Export:
    """Writes a model as one ONNX file that takes pictures as they are and gives answers, checked by ONNX Runtime.

    The file's input is `picture`, uint8 `(height, width, 3)` of any size; resizing, cropping and normalizing are in
    it. Its outputs: `probabilities` `(classes,)` of a classifier; those, `objectness` `()` and `box_xyxy` `(4,)` of a
    localizer; `boxes_xyxy` `(objects, 4)`, `scores`, `labels` (numbers of classes, int64) and `default_boxes` of a
    detector, after suppression, likeliest first; a trunk's taps by their names, `(features, rows, columns)`. Boxes are
    in pixels of the picture. A detector also takes `threshold`, `nms_iou`, `top_k` and `max_detections`, which have
    defaults. Names of classes and more are in its metadata, as JSON under `convolens.class_names`, ….

    Args:
        model: a classifier, localizer, detector, or a trunk for its features.
        path: where to write: a name that ends in `.onnx`.
        taps: of a trunk: which are given; None gives the last.
        check: pictures to compare answers on; None takes ten generated ones of ten shapes.
        opset: the version of ONNX's operators, 18 to 21.
        batched: the input is `pictures`, `(N, height, width, 3)`, of one size, and all outputs begin with N. Not for
            detectors, which find another number of objects in each.
        raw: the input is `batch`, float32, already preprocessed, and boxes are fractions of the network's input; a
            detector's are those of all its default boxes, without suppression.
        int8: pictures such as the model will be given, a few dozen at least: the network's layers are brought to 8-bit
            integers by what these do in it. The file is a quarter as large, and fast where the processor has
            instructions for it.
        labeled: data with answers, as `evaluate` takes it, that the metric is measured on before and after; needed
            with `int8`.
        at_most: how many points of the metric may be lost by `int8`: 1 is from 90 % to 89 %.

    Returns:
        Where the file is, and the largest differences from the model.

    Raises:
        ArgumentError: a task without export, an opset that will not do, no such tap.
        ExportError: torch cannot express it in ONNX, or ONNX Runtime's answers are not the model's: then there is no
            file. The message says where they differ: preprocessing, the network or decoding. Or 8 bits lose more
            than `at_most`.
        WeightsError: a fused copy, or weights that give no numbers.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        FileError: it cannot be written, or a picture cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import convolens as cl
    >>> model = cl.classifier(cl.trunk("resnet18", width=0.125), classes=("cat", "dog"))
    >>> with TemporaryDirectory() as folder:
    ...     written = export(model, f"{folder}/model.onnx", check=np.zeros((40, 60, 3), np.uint8))
    ...     found = cl.load(f"{folder}/model.onnx").predict(np.zeros((40, 60, 3), np.uint8))
    >>> written.check["pictures"], sorted(found.labels)
    (1, ['cat', 'dog'])
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise need_package(package, "export", "export")
    target = _checked_target(path)
    own = exportable(_on_cpu(model), taps)
    _check_options(own, opset, batched, raw)
    takes = BATCH if raw else PICTURES if batched else PICTURE
    eight_bits = None if int8 is None else EightBits(own, int8, labeled, at_most)
    if eight_bits is None and labeled is not None:
        raise ArgumentError("labeled: need int8 with it, got none; it is what 8 bits are measured on")
    return _write(target, own, takes, opset, check, eight_bits)


def _write(target: Path, own: Exportable, takes: str, opset: int, check: Any, eight_bits: EightBits | None) -> Export:
    from convolens.exporting.build import build, least_side, network_of, to_bytes  # only here: they need onnx
    from convolens.exporting.check import compare, generated

    channels, least = len(own.trunk.preprocessing.mean), least_side(own)
    body = network_of(own, opset, least)
    graph, watched = build(own, takes, body)
    if check is None:
        pictures = generated(channels, least)
    else:
        pictures = (as_eight_bit(one, channels, least) for one in as_pictures(check, "check")[0])
    differences = compare(to_bytes(graph.model(opset, {}, watched=watched)), own, takes, pictures).to_dict()
    if not differences["pictures"]:
        raise ArgumentError("check: need at least one picture, got none")
    facts = _facts(own, takes, least, differences)
    if eight_bits is not None:
        body, lost = eight_bits.of(body, facts, opset)
        graph, facts = build(own, takes, body)[0], replace(facts, int8=lost)
    content = to_bytes(graph.model(opset, facts.to_metadata()))
    with writing(target) as draft:
        draft.write_bytes(content)
        _need_readable(draft, takes)
    return Export(target, differences, facts.int8)


def _facts(own: Exportable, takes: str, least: int, check: dict[str, float]) -> Facts:
    return Facts(
        task=own.task,
        class_names=list(own.class_names),
        takes=takes,
        preprocessing=own.trunk.preprocessing.to_dict(),
        least_side=least,
        multi_label=own.multi_label,
        metrics=dict(own.metrics or {}),
        check=check,
        version=version("convolens"),
    )


def _on_cpu(model: Any) -> Any:
    """A copy on the CPU, of single precision, in evaluation mode; what is no module stays."""
    if not isinstance(model, nn.Module):
        return model
    need_unfused(model, "export")
    return copy.deepcopy(model).cpu().float().eval()


def _checked_target(path: AnyPath) -> Path:
    target = need_target(path)
    if target.suffix.lower() != ".onnx":
        raise ArgumentError(f"{target}: need a name that ends in .onnx, got {target.suffix or 'no suffix'}")
    return target


def _check_options(own: Exportable, opset: int, batched: bool, raw: bool) -> None:
    as_flag(batched, "batched")
    as_flag(raw, "raw")
    if type(opset) is not int or not OPSET <= opset <= MAX_OPSET:
        raise ArgumentError(
            f"opset: need {OPSET} to {MAX_OPSET}, got {opset!r}; "
            f"before {OPSET} ONNX cannot shrink pictures as Convolens does"
        )
    if batched and raw:
        raise ArgumentError("raw: need one of batched and raw, got both; raw takes batches anyway")
    if batched and own.task == Detector.task:
        raise ArgumentError(
            "batched: need a task with as many answers for each picture, got a detector; export it for single "
            "pictures, or raw"
        )


def _need_readable(file: Path, takes: str) -> None:
    """Opens the file as whoever has it will."""
    if takes == BATCH:
        open_session(file, file)
    else:
        load_exported(file)
