"""`convolens train classify|localize|detect`: teach a network your own pictures."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convolens.cli.telling import tell, tell_written, telling_what_is_kept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convolens.data import Skipped

Trunk = Annotated[
    str | None,
    typer.Option(
        help="The network (backbone), such as resnet18. Default: vgg16 with the weights hed, good for photos."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(help="The trunk's weights: a name, such as hed, or a file. Default: random, where --trunk is given."),
]
Out = Annotated[Path, typer.Option(help="Folder for the model and the metrics; made if missing.")]
Stem = Annotated[str, typer.Option(help="ResNets: small for pictures of about 8 to 64 pixels.")]
Width = Annotated[
    float, typer.Option(help="ResNets: features of every layer as a fraction of the published; less is faster.")
]
Validation = Annotated[
    str | None,
    typer.Option(help="Fraction kept to measure on, a list of pictures (.txt), or other data. Default: the data's own "
                      "split for it, or 0.2."),
]  # fmt: skip
Scale = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Least and greatest fraction of the picture's area that is shown.", metavar="LEAST GREATEST"),
]
Ratio = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Least and greatest width to height shown, of the picture's.", metavar="LEAST GREATEST"),
]
Flip = Annotated[
    bool | None,
    typer.Option("--flip/--no-flip", help="Mirror every other time (default); not for digits or text."),
]
ColorJitter = Annotated[
    float | None, typer.Option(help="How much light and colours are changed, from 0 to below 1. Default: 0.2.")
]


def _training(
    epochs: Annotated[
        int | None, typer.Option(help="Times every picture is seen. Default: 30, or what --minutes allow.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="A budget of time; the learning rate is brought down by its end.")
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(help="Pictures to a step, or auto: as many as memory allows. Default: 32, for a head 16."),
    ] = None,
    accumulate: Annotated[int, typer.Option(help="Parts that a batch goes through the network in.")] = 1,
    optimizer: Annotated[str, typer.Option(help="adamw or sgd.")] = "adamw",
    lr: Annotated[
        str | None,
        typer.Option(
            help="The learning rate at its highest, or find. Default: 1e-3, or 3e-4 to classify with weights."
        ),
    ] = None,
    momentum: Annotated[float, typer.Option(help="Of sgd, and adamw's first beta.")] = 0.9,
    schedule: Annotated[str, typer.Option(help="How the rate falls: cosine, step or constant.")] = "cosine",
    warmup: Annotated[float, typer.Option(help="Fraction of the training over which the rate rises.")] = 0.05,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of the weights; more suits few pictures. Default: 0.05, for a head 0.01.")
    ] = None,
    layer_decay: Annotated[
        float | None,
        typer.Option(help="A layer's learning rate as a fraction of the next one's. Default: 1, or 0.75 as for --lr."),
    ] = None,
    clip_grad: Annotated[float, typer.Option(help="Length that gradients are shortened to.")] = 1.0,
    ema: Annotated[float | None, typer.Option(help="Keep the running mean of the weights, with this decay.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="End after this number of epochs without a better model.")
    ] = None,
    precision: Annotated[str, typer.Option(help="Of the computation: auto, float32 or bfloat16.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Threads that read pictures.")] = 2,
    checkpoint_seconds: Annotated[float, typer.Option(help="How often a state to resume from is written.")] = 30.0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write each epoch's metrics for TensorBoard into the run folder.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from an earlier run in the same folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in the same folder.")] = False,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, …")] = "auto",
) -> None:
    """The options of every training, whatever the task; its signature is all that is used of it."""


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of every training behind its own, in place of its `**training`."""
    own, shared = signature(command, eval_str=True), signature(_training, eval_str=True)
    named = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    command.__signature__ = own.replace(parameters=[*named, *shared.parameters.values()])  # type: ignore[attr-defined]
    return command


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    train = typer.Typer(rich_markup_mode=None, help="Teach a network your own pictures.")
    train.command("classify")(classify)
    train.command("localize")(localize)
    train.command("detect")(detect)
    app.add_typer(train, name="train")


@with_training_options
def classify(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="A folder with a folder of pictures for each class, or CSV, COCO, VOC, YOLO."
        ),
    ],
    out: Out,
    trunk: Trunk = None,
    weights: Weights = None,
    tap: Annotated[
        list[str] | None, typer.Option(help="A tap of the trunk, such as conv4_3; again for more. Default: the last.")
    ] = None,
    finetune: Annotated[
        str | None,
        typer.Option(
            help="head: the trunk stays as it is; all; or the tap that learning begins at. Default: head with "
            "--weights, all without."
        ),
    ] = None,
    stem: Stem = "full",
    width: Width = 1.0,
    validation: Validation = None,
    size: Annotated[
        int | None, typer.Option(help="Bring pictures to this side in pixels. Default: as they are, or the first's.")
    ] = None,
    label_smoothing: Annotated[float, typer.Option(help="Fraction of a label that is spread over all classes.")] = 0.0,
    class_weights: Annotated[str | None, typer.Option(help="balanced: rare classes count for more.")] = None,
    mixup: Annotated[
        float | None, typer.Option(help="Mix pictures and labels by fractions drawn from Beta(m, m).")
    ] = None,
    scale: Scale = None,
    ratio: Ratio = None,
    flip: Flip = None,
    color_jitter: ColorJitter = None,
    **training: Any,
) -> None:
    """Teach a network to tell classes of pictures apart.

    With weights that somebody else trained, only a head is trained, in seconds. --finetune trains the trunk too.

    \b
    Examples:
      convolens train classify photos --out runs/photos
      convolens train classify photos --trunk vgg16 --weights hed --tap conv4_3 --out runs/photos
      convolens train classify digits --trunk resnet18 --stem small --no-flip --minutes 3 --out runs/digits
    """
    _train("classify", locals(), taps="tap")


@with_training_options
def localize(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Pictures with a box or none: COCO, VOC, YOLO, CSV.")],
    out: Out,
    trunk: Trunk = None,
    weights: Weights = None,
    tap: Annotated[list[str] | None, typer.Option(help="The tap whose cells are asked. Default: the last.")] = None,
    finetune: Annotated[str | None, typer.Option(help="all (default), or the tap that learning begins at.")] = None,
    stem: Stem = "full",
    width: Width = 1.0,
    validation: Validation = None,
    size: Annotated[
        int | None, typer.Option(help="Bring pictures to a square of this side. Default: the first's shorter side.")
    ] = None,
    hidden: Annotated[int, typer.Option(help="Features between the tap and the outputs.")] = 128,
    object_weight: Annotated[float, typer.Option(help="Of whether there is an object, in the loss.")] = 1.0,
    class_weight: Annotated[float, typer.Option(help="Of which it is.")] = 1.0,
    box_weight: Annotated[float, typer.Option(help="Of where it is.")] = 1.0,
    box_loss: Annotated[str | None, typer.Option(help="giou, mse, l1 or smooth_l1. Default: giou.")] = None,
    scale: Scale = None,
    ratio: Ratio = None,
    flip: Flip = None,
    color_jitter: ColorJitter = None,
    **training: Any,
) -> None:
    """Teach a network whether there is an object in a picture, which, and where.

    \b
    Example:
      convolens train localize digits --trunk resnet18 --width 0.5 --tap layer2.1 --no-flip --minutes 10 --out runs/1
    """
    _train("localize", locals(), taps="tap")


@with_training_options
def detect(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Pictures with any number of boxes: COCO, VOC, YOLO, CSV.")
    ],
    out: Out,
    trunk: Trunk = None,
    weights: Weights = None,
    tap: Annotated[
        list[str] | None, typer.Option(help="A map that is looked at; again for more. Default: one for each size.")
    ] = None,
    finetune: Annotated[str | None, typer.Option(help="all (default), or the tap that learning begins at.")] = None,
    stem: Stem = "full",
    width: Annotated[
        float, typer.Option(help="Features of a ResNet and of the layers after it, as a fraction of the published.")
    ] = 1.0,
    validation: Validation = None,
    size: Annotated[int | None, typer.Option(help="Bring pictures to a square of this side. Default: 300.")] = None,
    fit_boxes: Annotated[
        bool, typer.Option("--fit-boxes", help="Default boxes fitted to the data's objects, not the published shapes.")
    ] = False,
    objectness: Annotated[
        str, typer.Option(help="softmax: background is one of the classes; or binary: it is asked first.")
    ] = "softmax",
    box_loss: Annotated[str | None, typer.Option(help="smooth_l1, l1, mse or giou. Default: smooth_l1.")] = None,
    object_weight: Annotated[float, typer.Option(help="Of whether there is an object, in the loss, if binary.")] = 1.0,
    class_weight: Annotated[float, typer.Option(help="Of which it is.")] = 1.0,
    box_weight: Annotated[float, typer.Option(help="Of where it is.")] = 1.0,
    negatives: Annotated[
        float, typer.Option(help="Default boxes of background that count for each matched to an object.")
    ] = 3.0,
    negatives_when_empty: Annotated[int, typer.Option(help="How many count in a picture without objects.")] = 12,
    zoom_out: Annotated[float, typer.Option(help="Show pictures up to this many times smaller, on a canvas.")] = 4.0,
    crop: Annotated[bool, typer.Option("--crop/--no-crop", help="Show parts that hold an object.")] = True,
    flip: Flip = None,
    color_jitter: Annotated[
        float | None, typer.Option(help="How much light and colours change, of what the paper does. Default: 1.")
    ] = None,
    **training: Any,
) -> None:
    """Teach a network what is where in a picture, any number of objects at once.

    \b
    Examples:
      convolens train detect photos --trunk vgg16 --weights hed --out runs/photos
      convolens train detect digits --trunk resnet18 --width 0.375 --size 128 --no-flip --minutes 25 --out runs/digits
    """
    _train("detect", locals(), taps="tap")


def _train(task: Literal["classify", "localize", "detect"], given: dict[str, Any], **renamed: str) -> None:
    """Trains by what was given on the line and says how good it became; what was not given keeps Python's default.

    `renamed`: Python's word=ours.
    """
    from convolens.training.run_folder import CURVES
    from convolens.training.train import train

    options = {**given, **given["training"]}
    del options["training"]
    options |= {name: options.pop(word) for name, word in renamed.items()}
    options = {name: value for name, value in options.items() if value not in (None, [])}
    for name, number, word in (("batch", int, "auto"), ("lr", float, "find")):
        if name in options and options[name] != word:
            options[name] = _number(name, options[name], number, word)
    if "validation" in options:
        options["validation"] = _share_or_path(options["validation"])
    with telling_what_is_kept():
        run = train(task, **options)
    _report_skipped(run.skipped)
    if run.advice:
        tell(run.advice)
    tell_written(run.folder, f"the model is {run.best}, how it went {run.folder / CURVES}")
    print(run)


def _number(name: str, text: str, kind: type[int] | type[float], word: str) -> int | float:
    from convolens.errors import ArgumentError

    try:
        return kind(text)
    except ValueError:
        raise ArgumentError(f"{name}: need a number or {word}, got {text!r}") from None


def _share_or_path(text: str) -> float | Path:
    try:
        return float(text)
    except ValueError:
        return Path(text)


def _report_skipped(skipped: Iterable[Skipped]) -> None:
    several = list(skipped)
    for one in several:
        tell(f"skipped: {one.reason}")
    if several:
        tell(f"skipped {len(several)} files")
