"""`convolens.export`: a model as one ONNX file, which gets its name once ONNX Runtime gives the model's answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from torch import nn

from convolens.arrays import Real, as_flag
from convolens.errors import ArgumentError, need_package
from convolens.evaluation.eight_bits import AT_MOST, told
from convolens.exported.facts import BATCH, PICTURE, PICTURES, Facts
from convolens.exported.loading import load_exported
from convolens.exported.session import onnx_runtime, open_session
from convolens.exporting.browser_runtime import browser_runtime
from convolens.exporting.eight_bits import EightBits
from convolens.exporting.making import make
from convolens.exporting.page import TASKS, Field, write_page
from convolens.exporting.tasks import Exportable, exportable
from convolens.layers.levels import give_levels
from convolens.media.files import AnyPath, as_path, need_new_folder, need_target, writing
from convolens.media.inputs import reads
from convolens.media.pixels import Picture, as_pictures
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.localize import Localizer
from convolens.models.trunk_model import TrunkModel, need_unfused
from convolens.models.unusual import Inspector
from convolens.trunks import Trunk

OPSET = 18  # the first whose Resize antialiases; the oldest is what most runtimes have
_LEFT_OUT = "left out: how familiar pictures are, which the model itself says (predict --unknown)"
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
        left_out: what the model says and the file does not, in words; empty where it says all.
    """

    path: Path
    check: dict[str, float]
    int8: dict[str, Any] = field(default_factory=dict)
    left_out: str = ""

    def __str__(self) -> str:
        words = {"probability": "in probabilities", "pixels": "pixels in boxes", "feature": "of the largest feature"}
        largest = ", ".join(f"{self.check[kind]:.1e} {word}" for kind, word in words.items() if kind in self.check)
        agrees = f"ONNX Runtime agrees on {self.check['pictures']} pictures; largest difference {largest}"
        return "; ".join(filter(None, (agrees, told(self.int8) if self.int8 else "", self.left_out)))


@reads("check", "int8", "labeled")
def export(
    model: Classifier | Localizer | Detector | Inspector | Trunk | Literal["learned_edges"],
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
    page: AnyPath | None = None,
    runtime: AnyPath | None = None,
) -> Export:
    """Writes a model as one ONNX file that takes pictures as they are and gives answers, checked by ONNX Runtime.

    The file's input is `picture`, uint8 `(height, width, 3)` of any size; resizing, cropping and normalizing are in it.
    Its outputs: `probabilities` `(classes,)` of a classifier; those, `objectness` `()` and `box_xyxy` `(4,)` of a
    localizer; `score` `()` and `places` `(rows, columns)` of an inspector; `boxes_xyxy` `(objects, 4)`, `scores`,
    `labels` (numbers of classes, int64) and `default_boxes` of a detector, after suppression, likeliest first; a
    trunk's taps by their names, `(features, rows, columns)`. Boxes are in pixels of the picture. A detector also takes
    `threshold`, `nms_iou`, `top_k` and `max_detections`, which have defaults. Names of classes and more are in its
    metadata, as JSON under `convolens.class_names`, ….

    Args:
        model: a classifier, localizer, detector, inspector, or a trunk for its features; or the text `learned_edges`,
            for the network of that function, whose file gives `edges` `(height, width)`.
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
        page: a new folder for a web page that runs the model in a browser, without a server or network: pictures are
            dropped there or come from a camera. It has what the pictures show, boxes, and for classifiers whose head
            pools where it shows. Not with `batched`, `raw` or features.
        runtime: onnxruntime-web for the page, as npm packs it (`.tgz`) or its folder; None has npm fetch it, once.

    Returns:
        Where the file is, the largest differences from the model, and what it leaves out: how familiar pictures are.

    Raises:
        ArgumentError: a task without export, an opset that will not do, no such tap.
        ExportError: torch cannot express it in ONNX, or ONNX Runtime's answers are not the model's: then there is no
            file. The message says where they differ: preprocessing, the network or decoding. Or 8 bits lose more
            than `at_most`; or onnxruntime-web cannot be had.
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
    onnx_runtime()  # before another package imports it
    target = _checked_target(path)
    if isinstance(model, TrunkModel) and model.preprocessing.sound is not None:
        raise ArgumentError("model: need one that takes pictures to export, got one that hears; predict with it here")
    own = exportable(_on_cpu(model), taps)
    _check_options(own, opset, batched, raw)
    takes = BATCH if raw else PICTURES if batched else PICTURE
    check, int8 = (_several_times(one, name) for one, name in ((check, "check"), (int8, "int8")))
    eight_bits = None if int8 is None else EightBits(own, int8, labeled, at_most)
    if eight_bits is None and labeled is not None:
        raise ArgumentError("labeled: need int8 with it, got none; it is what 8 bits are measured on")
    pages = None if page is None else _Page(page, runtime, _on_cpu(model), own.task, takes)
    if pages is None and runtime is not None:
        raise ArgumentError("runtime: need page with it, got none; it is what pages run by")
    made = make(own, takes, opset, check, eight_bits)
    with writing(target) as draft:
        draft.write_bytes(made.content)
        _need_readable(draft, takes)
        if pages is not None:
            pages.write(target.stem, opset, check, eight_bits, made.facts)
    knows = isinstance(model, Classifier) and model.familiarity is not None
    return Export(target, made.facts.check, made.facts.int8, _LEFT_OUT if knows else "")


class _Page:
    """A page that is wanted: what it needs is had before any work that takes long."""

    def __init__(self, folder: AnyPath, runtime: AnyPath | None, model: Any, task: str, takes: str) -> None:
        if task not in TASKS:
            raise ArgumentError(f"page: need a model that answers, got {task}")
        if takes != PICTURE:
            raise ArgumentError("page: need a model that takes single pictures, got batched or raw; leave that out")
        need_new_folder(as_path(folder, "where the page's folder is to be"))
        self.folder, self.model = folder, model
        self.runtime = browser_runtime(runtime)

    def write(self, title: str, opset: int, check: Any, eight_bits: EightBits | None, facts: Facts) -> None:
        """Makes and checks the page's own file, which gives more, and writes the page."""
        own = exportable(self.model, None, for_page=True)
        made = make(own, PICTURE, opset, check, eight_bits, lost=facts.int8)
        pools = own.task == Classifier.task and len(own.outputs) > 1
        write_page(self.folder, title, made.content, made.facts, _fields(own) if pools else [], self.runtime)


def _fields(own: Exportable) -> list[Field]:
    fields = ((tap, own.trunk.receptive_field(tap)) for tap in own.taps)
    return [Field(tap, field.offset + field.size / 2, field.stride) for tap, field in fields]


def _several_times(pictures: Any, name: str) -> list[Any] | None:
    """Pictures that can be gone through more than once."""
    return None if pictures is None else list(as_pictures(pictures, name)[0])


def _on_cpu(model: Any) -> Any:
    """A copy on the CPU, in single precision, without 8-bit levels, in evaluation mode; what is no module stays."""
    if not isinstance(model, nn.Module):
        return model
    need_unfused(model, "export")
    own = copy.deepcopy(model).cpu().float().eval()
    give_levels(own, {})
    if isinstance(own, Classifier):
        own.familiarity = None  # see `_LEFT_OUT`
    return own


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
