"""Training: pictures in folders and a trunk in, a model file and the story of its making out.

`train` is where an option is named, typed, given its default and explained, once: the command line reads its signature
and its docstring. So this module loads no torch until a training begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from glob import has_magic
from importlib import import_module
from inspect import Parameter, signature
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Never

from convolens.errors import ArgumentError, did_you_mean, need_one_of
from convolens.media.files import AnyPath, as_path
from convolens.media.inputs import given as given_files
from convolens.torch_loading import need_networks

if TYPE_CHECKING:
    from convolens.training.run_folder import Run

# A task's trainer, by its module and name: it takes a `Request`, and the task's options.
TRAINERS = {
    "classify": ("classify", "train_classifier"),
    "localize": ("localize", "train_localizer"),
    "detect": ("detect", "train_detector"),
    "unusual": ("unusual", "train_unusual"),
}

# A task without steps takes these options of all tasks' alone.
STEPLESS = {
    "unusual": (
        "trunk", "weights", "out", "taps", "stem", "width", "size", "batch", "seed", "overwrite", "device", "progress",
    )
}  # fmt: skip

TRUNK = "vgg16"  # that weights are for, where they alone are named
OF_PICTURES = ("localize", "unusual")  # tasks that sounds have no part in
SOUNDS_TRUNK, SOUNDS_WIDTH = "resnet18", 0.5  # that sounds teach from its beginning, where nothing is named


def train(
    task: Literal["classify", "localize", "detect", "unusual"],
    data: AnyPath,
    *,
    trunk: str | None = None,
    weights: AnyPath | None = None,
    out: AnyPath | None = None,
    taps: Sequence[str] | str | None = None,
    finetune: str | None = None,
    stem: Literal["full", "small"] = "full",
    width: float = 1.0,
    validation: float | AnyPath | None = None,
    size: int | tuple[int, int] | None = None,
    label_smoothing: float = 0.0,
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None,
    mixup: float | None = None,
    folds: int | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    bands: int | None = None,
    noise: float | None = None,
    masks: int | None = None,
    hidden: int = 128,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str | None = None,
    objectness: Literal["softmax", "binary"] = "softmax",
    fit_boxes: bool = False,
    negatives: float = 3.0,
    negatives_when_empty: int = 12,
    scale: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    zoom_out: float = 4.0,
    crop: bool = True,
    method: Literal["padim", "patchcore"] = "padim",
    false_alarms: float = 0.01,
    flip: bool | None = None,
    color_jitter: float | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch: int | Literal["auto"] | None = None,
    accumulate: int = 1,
    optimizer: str = "adamw",
    lr: float | Literal["find"] | None = None,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    layer_decay: float | None = None,
    schedule: str = "cosine",
    warmup: float = 0.05,
    clip_grad: float | None = 1.0,
    ema: float | None = None,
    patience: int | None = None,
    precision: str = "auto",
    sync_norm: bool = False,
    seed: int = 0,
    workers: int = 2,
    checkpoint_seconds: float = 30.0,
    tensorboard: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: bool = True,
    on_epoch: Callable[[Mapping[str, Any]], object] | None = None,
    on_step: Callable[[Mapping[str, Any]], object] | None = None,
    **unknown: Never,
) -> Run:
    """Trains a network for a task.

    An option whose text does not begin with a task is every task's; but `unusual`, which has no steps, takes of these
    only `trunk weights out taps stem width size batch seed overwrite device progress`. None stands for what the task's
    trainer chooses.

    Args:
        task: `classify`: what a picture shows; `localize`: whether there is an object, which, and where; `detect`: any
            number of objects; `unusual`: whether a picture is like good ones, and where it is not.
        data: a folder with one folder of pictures for each class, or CSV, COCO, VOC or YOLO; for unusual, a folder of
            good pictures, or one laid out as MVTec AD is; to localize or detect, with boxes. To classify, also tar
            shards, Parquet tables, and what lies in a store: `'s3://…/*.tar'`. To classify or detect, also sounds: in
            folders, a CSV, or beside Raven's selection tables or Audacity's label files.
        trunk: the network (backbone), such as `resnet18`. None: one whose weights are on this machine already, a good
            start for photos: `vgg16` with `hed`; to classify, with ImageNet's weights first, if you have fetched some;
            `vgg16` where `weights` are given.
        weights: of the trunk: a name, such as `hed`, or a file; to detect, also a whole detector to start from. None:
            random, where a trunk is named, which see little until they are trained.
        out: the run folder, for the model and the metrics; made if missing. A run that is there already is refused
            without `overwrite` or `resume`. None: `runs/` and the name of the data, with a number if that is taken.
        taps: the trunk's taps (layers) that the head looks at, such as `conv4_3`. None: the last; to detect, one for
            each size of objects; for unusual, the deepest of each stride up to 8; to classify, the last, or where no
            trunk is named, the deepest whose map of the first picture is at least 4×4.
        finetune: `all`, or the tap that training begins at; to classify, also `head`: the trunk stays as it is, and
            the best head on its features is found in seconds. None: `all`; to classify, `head` with weights, `all`
            without.
        stem: `small` for pictures of about 8 to 64 pixels (ResNets).
        width: features of every layer as a fraction of the published numbers (ResNets), less is faster; to detect,
            also of the layers after the trunk.
        validation: the fraction of the data that is measured on, a list of pictures (`.txt`), or other data. None: the
            data's own split for it, or 0.2.
        size: the side in pixels that pictures are brought to; to detect, in Python also (height, width). None: the
            first picture's shorter side; to classify, the first picture's shorter side, or for `head` as the weights'
            preprocessing leaves them; to detect, 300; for unusual, the first picture's shorter side, at most 256.
        label_smoothing: to classify: the fraction of a picture's label that is spread over all classes.
        class_weights: to classify: what a picture of each class counts for: `balanced`, the inverse of how often it
            occurs, or in Python by name. None: 1.
        mixup: to classify: pictures and labels are mixed by fractions drawn from Beta(mixup, mixup). None: not at all.
        folds: to classify: parts of the pictures, each predicted by a head found on the others, where the trunk is not
            trained: the metric with its spread, the weight decay by nested folds, and a head kept that is found on all.
            None: one part is validated on.
        rate: to classify or detect: of sounds: samples a second that they are brought to. None: the lowest of the
            data's, at most 16,000, or what the highest label needs.
        seconds: to classify or detect: of sounds: what the network takes at once. None: what 95% of the sounds fit
            into, at most 2; to detect, twice what 95% of the labels last, from 1 to 10.
        bands: to classify or detect: of sounds: rows of the picture of time and pitch. None: 64.
        noise: to classify or detect: of sounds: the fraction of views that noise is added to. None: 0.7.
        masks: to classify or detect: of sounds: stretches of time, and of pitch, that are left out of a view. None: 1.
        hidden: to localize: features between the tap and the outputs.
        object_weight: to localize or detect: of the part of the loss for whether there is an object; to detect, where
            `objectness` is `binary`.
        class_weight: to localize or detect: of the part of the loss for which object it is.
        box_weight: to localize or detect: of the part of the loss for where it is.
        box_loss: to localize or detect: `giou`, `mse`, `l1` or `smooth_l1`. None: `giou`; to detect, `smooth_l1`.
        objectness: to detect: `softmax`: background is one of the classes; `binary`: it is asked first.
        fit_boxes: to detect: whether to fit default boxes to the data's objects, in place of the published shapes.
        negatives: to detect: default boxes of background that count for each that is matched to an object.
        negatives_when_empty: to detect: how many count in a picture without objects.
        scale: to classify or localize: least and greatest fraction of the picture's area that a view shows. None:
            (0.35, 1); to localize, (0.6, 1.4).
        ratio: to classify or localize: least and greatest width to height of a view, as a multiple of the picture's.
            None: (3/4, 4/3); to localize, (1/1.2, 1.2).
        zoom_out: to detect: pictures are shown up to this many times smaller, on a canvas.
        crop: to detect: whether to show parts of pictures that hold an object.
        method: for unusual: `padim`, how features vary at each place, or `patchcore`, how far they are from those of
            good pictures at any place.
        false_alarms: for unusual: the fraction of good pictures that may be called unusual.
        flip: whether to mirror pictures every other time; not for what has a left and a right, such as digits and
            text. None: yes.
        color_jitter: how much light and colors change; 0 is not at all. None: 0.2; to detect, 1, what SSD's paper does.
        epochs: times every picture is seen. None: 30, or with `minutes` as many as they allow.
        minutes: a budget of time, from reading the data to the last measuring, for which the schedule is stretched or
            shortened. None: no limit.
        batch: pictures to a step, or `auto`: as many as memory allows, at most 64. None: 32; to classify, 32, or 16
            for `head`; for unusual, 16.
        accumulate: parts that a batch goes through the network in, for a large batch in little memory.
        optimizer: `adamw` or `sgd`, with Nesterov's momentum.
        lr: the learning rate at its highest, or `find`. None: 1e-3; to classify, 3e-4 with given weights, 1e-3
            without.
        momentum: of `sgd`, and `adamw`'s first beta.
        weight_decay: of weights, not of biases and norms; more suits few pictures. None: 0.05; to classify, 0.05, or
            0.01 for `head`.
        layer_decay: a layer's learning rate as a fraction of the next one's. None: 1; to classify, 0.75 with given
            weights, 1 without.
        schedule: how the learning rate falls: `cosine`, `step` or `constant`.
        warmup: the fraction of the training over which the learning rate first rises from 0.
        clip_grad: the length that gradients are shortened to. None: as they are.
        ema: the decay of the running mean of the weights that is measured and saved. None: the weights themselves are.
        patience: the number of epochs without a better model after which the training ends. None: never.
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor has instructions for it. Weights and
            their steps are float32 in any case.
        sync_norm: whether batch norms that are trained take the statistics of all processes' pictures, where `torchrun`
            started several; else each takes its own.
        seed: of everything random.
        workers: threads that read pictures.
        checkpoint_seconds: how often a state to resume from is written; 0 is after every step.
        tensorboard: whether to write each epoch's metrics for TensorBoard too (the extra of that name).
        resume: whether to resume an earlier run in `out`.
        overwrite: whether to replace an earlier run in `out`.
        device: where to run: `auto` (the GPU where there is one), `cpu`, `cuda`
        progress: whether to show a bar with the time left.
        on_epoch: is called after each epoch with its row of `metrics.csv`; returning False ends the training as Ctrl-C
            does: with a KeyboardInterrupt, and a state to resume from. Not where only a head is trained.
        on_step: is called after each step with `epoch step loss lr`, of a head with its row of `metrics.csv`; as
            `on_epoch`. Of several processes the first calls both.
        unknown: nothing; a misspelt option is refused with the name that was meant.

    Returns:
        The run: its folder, the best model's file, and its metrics on the validation pictures.

    Raises:
        ArgumentError: no such task, trunk, tap or option, or a value that cannot be used.
        DataError: fewer than two classes, a class without pictures that can be read, or no boxes where they are needed;
            fewer good pictures than it takes to know how they vary.
        FileError: the data is not there, or the run folder cannot be written or holds a run.
        WeightsError: the weights are not there or another network's.
        TrainingError: the loss is no longer a number, or `resume` finds a run of something else.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from convolens.media.images import write_image
    >>> dark, light = (np.full((16, 16, 3), level, np.uint8) for level in (40, 200))
    >>> with TemporaryDirectory() as folder:
    ...     for name, picture in (("dark", dark), ("light", light)):
    ...         (Path(folder) / "data" / name).mkdir(parents=True)
    ...         for number in range(4):
    ...             write_image(f"{folder}/data/{name}/{number}.png", picture + np.uint8(number))
    ...     run = train("classify", f"{folder}/data", trunk="resnet18", stem="small", width=0.25, finetune="head",
    ...                 out=f"{folder}/run", progress=False)
    ...     run.load().predict([dark, light], top=1)
    [Prediction(dark ...%), Prediction(light ...%)]
    """
    given = dict(locals())
    need_one_of("task", task, TRAINERS)
    if task != "detect" and isinstance(size, tuple):
        raise ArgumentError(f"size: need one side in pixels to {task}, got {size}; only a detector takes two")
    need_networks()
    from convolens.data.reading import need_data
    from convolens.data.sounds import holds_sounds
    from convolens.training.chosen import default_run, weights_at_hand  # loads torch

    for path in (data, validation):
        is_pattern = task == "unusual" and has_magic(str(path))
        if isinstance(path, str | PathLike) and not is_pattern:
            need_data(path)
    of_sounds = holds_sounds(data)
    if of_sounds and task in OF_PICTURES:
        raise ArgumentError(f"task: need classify or detect for sounds, got {task}; {data} holds sounds")
    if of_sounds and trunk is None and weights is None:  # which weights of pictures know little about
        given |= {"trunk": SOUNDS_TRUNK, "width": SOUNDS_WIDTH if width == 1.0 else width}
    elif trunk is None:
        chosen, at_hand = weights_at_hand(task) if weights is None else (TRUNK, weights)
        given |= {"trunk": chosen, "weights": at_hand}
    if out is None:
        out = default_run(data, resume=resume, overwrite=overwrite)
    given["out"] = as_path(out, "a run folder", "out")
    given["chosen"] = trunk is None
    with given_files(data, weights, validation, results=given["out"]):
        return _trained(task, given, options())


@cache
def options() -> dict[str, Parameter]:
    """The options of `train`, by name, their annotations as objects."""
    known = {**globals(), "Run": object}  # the one annotation that would load torch
    parameters = signature(train, globals=known, eval_str=True).parameters
    return {name: one for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}


def trainer_of(task: str) -> Callable[..., Run]:
    """The trainer of a task."""
    module, name = TRAINERS[task]
    found: Callable[..., Run] = getattr(import_module(f"convolens.training.{module}"), name)
    return found


def _trained(task: str, given: Mapping[str, Any], known: Mapping[str, Parameter]) -> Run:
    """Calls the task's trainer with what was given; what was left as it was is the trainer's to choose."""
    from convolens.arrays import as_flag  # loads NumPy
    from convolens.training.request import Request  # loads torch, like the next
    from convolens.training.settings import Settings

    trainer = trainer_of(task)
    own = set(signature(trainer).parameters)
    settings, shared = ({one.name for one in fields(kind)} for kind in (Settings, Request))
    taken = (own | settings | shared) & set(known)
    if task in STEPLESS:
        taken &= {*own, *STEPLESS[task]}
    for name in known:
        if hasattr(given[name], "dim") or getattr(given[name], "shape", ()) != ():  # a tensor, or an array
            raise ArgumentError(f"{name}: need a plain value, got {type(given[name]).__name__}")
        if isinstance(known[name].default, bool):
            as_flag(given[name], name)
    changed = {name: given[name] for name, one in known.items() if given[name] != one.default}
    for name in (*changed, *given["unknown"]):
        if name not in taken:
            raise ArgumentError(f"{name}: is no option of train {task}{did_you_mean(name, taken)}")
    training = {name: value for name, value in changed.items() if name in settings}
    request = Request(**{name: given[name] for name in shared & set(given)}, training=training)
    return trainer(request, **{name: value for name, value in changed.items() if name in own})
