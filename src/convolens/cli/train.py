"""`convolens train classify|localize|detect`: teach a network your own pictures."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolens.cli.interrupts import telling_what_is_kept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convolens.data import Skipped
    from convolens.training.run_folder import Run

Trunk = Annotated[str, typer.Option(help="The network, such as resnet18 or vgg16.")]
Weights = Annotated[
    str | None, typer.Option(help="The trunk's weights: a name, such as hed, or a file. Default: random ones.")
]
Out = Annotated[Path, typer.Option(help="Folder for the model and the figures; made if missing.")]
Stem = Annotated[str, typer.Option(help="ResNets: small for pictures of about 8 to 64 pixels.")]
Width = Annotated[
    float, typer.Option(help="ResNets: features of every layer as a share of the published; less is faster.")
]
Validation = Annotated[
    str | None,
    typer.Option(help="Share kept back to measure on, a list of pictures (.txt), or other data. Default: the "
                      "data's own split for it, or 0.2."),
]  # fmt: skip
Epochs = Annotated[int | None, typer.Option(help="Times every picture is seen. Default: 30, or what --minutes allow.")]
Minutes = Annotated[float | None, typer.Option(help="A budget of time; the learning rate is brought down by its end.")]
Batch = Annotated[str | None, typer.Option(help="Pictures to a step, or auto: as many as memory allows, at most 64.")]
Accumulate = Annotated[int | None, typer.Option(help="Parts that a batch goes through the network in.")]
Optimizer = Annotated[str | None, typer.Option(help="adamw or sgd. Default: adamw.")]
LearningRate = Annotated[str | None, typer.Option(help="The learning rate at its highest, or find.")]
Schedule = Annotated[str | None, typer.Option(help="How the rate falls: cosine, step or constant.")]
Warmup = Annotated[float | None, typer.Option(help="Share of the training over which the rate rises. Default: 0.05.")]
WeightDecay = Annotated[float | None, typer.Option(help="Of the weights; more suits few pictures.")]
LayerDecay = Annotated[float | None, typer.Option(help="A layer's learning rate as a share of the next one's.")]
ClipGrad = Annotated[float | None, typer.Option(help="Length that gradients are shortened to. Default: 1.")]
Ema = Annotated[float | None, typer.Option(help="Keep the running mean of the weights, with this decay.")]
Patience = Annotated[int | None, typer.Option(help="End after so many epochs without a better model.")]
Scale = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Least and greatest share of the picture's area that is shown.", metavar="LEAST GREATEST"),
]
Flip = Annotated[
    bool | None,
    typer.Option("--flip/--no-flip", help="Mirror every other time (default); not for digits or text."),
]
ColorJitter = Annotated[float | None, typer.Option(help="How much light and colours are changed, from 0 to below 1.")]
Tensorboard = Annotated[
    bool | None, typer.Option("--tensorboard", help="Write each epoch's figures for TensorBoard into the run folder.")
]
Seed = Annotated[int | None, typer.Option(help="Of everything random. Default: 0.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from an earlier run in the same folder.")]
Device = Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, …")]


def _training(
    epochs: Epochs = None,
    minutes: Minutes = None,
    batch: Batch = None,
    accumulate: Accumulate = None,
    optimizer: Optimizer = None,
    lr: LearningRate = None,
    schedule: Schedule = None,
    warmup: Warmup = None,
    weight_decay: WeightDecay = None,
    layer_decay: LayerDecay = None,
    clip_grad: ClipGrad = None,
    ema: Ema = None,
    patience: Patience = None,
    seed: Seed = None,
    tensorboard: Tensorboard = None,
    resume: Resume = False,
    device: Device = "auto",
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
    trunk: Trunk,
    out: Out,
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
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share of a label that is spread over all classes.")
    ] = None,
    class_weights: Annotated[str | None, typer.Option(help="balanced: rare classes count for more.")] = None,
    mixup: Annotated[float | None, typer.Option(help="Mix pictures and labels by shares of Beta(m, m).")] = None,
    scale: Scale = None,
    flip: Flip = None,
    color_jitter: ColorJitter = None,
    **training: Any,
) -> None:
    """Teach a network to tell classes of pictures apart.

    With weights that somebody else trained, only a head is trained, in seconds. --finetune trains the trunk too.

    \b
    Examples:
      convolens train classify photos --trunk vgg16 --weights hed --tap conv4_3 --out runs/photos
      convolens train classify digits --trunk resnet18 --stem small --no-flip --minutes 3 --out runs/digits
    """
    run = _train("classify", locals(), taps="tap")
    name = "top1" if "top1" in run.metrics else "mean_ap"
    words = "right" if name == "top1" else "mean average precision"
    print(f"{run.metrics[name]:.1%} {words} of {run.metrics['count']} pictures kept back")
    print(run.best)


@with_training_options
def localize(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Pictures with a box or none: COCO, VOC, YOLO, CSV.")],
    trunk: Trunk,
    out: Out,
    weights: Weights = None,
    tap: Annotated[list[str] | None, typer.Option(help="The tap whose cells are asked. Default: the last.")] = None,
    finetune: Annotated[str, typer.Option(help="all, or the tap that learning begins at.")] = "all",
    stem: Stem = "full",
    width: Width = 1.0,
    validation: Validation = None,
    size: Annotated[
        int | None, typer.Option(help="Bring pictures to a square of this side. Default: the first's shorter side.")
    ] = None,
    object_weight: Annotated[float | None, typer.Option(help="Of whether there is an object. Default: 1.")] = None,
    class_weight: Annotated[float | None, typer.Option(help="Of which it is. Default: 1.")] = None,
    box_weight: Annotated[float | None, typer.Option(help="Of where it is. Default: 1.")] = None,
    box_loss: Annotated[str | None, typer.Option(help="giou, mse, l1 or smooth_l1. Default: giou.")] = None,
    scale: Scale = None,
    flip: Flip = None,
    color_jitter: ColorJitter = None,
    **training: Any,
) -> None:
    """Teach a network whether there is an object in a picture, which, and where.

    \b
    Example:
      convolens train localize digits --trunk resnet18 --width 0.5 --tap layer2.1 --no-flip --minutes 10 --out runs/1
    """
    run = _train("localize", locals(), taps="tap")
    found = run.metrics
    print(
        f"object or none right {found['object_accuracy']:.1%}, class {found['class_accuracy']:.1%}, "
        f"mean IoU {found['mean_iou']:.2f} of {found['count']} pictures kept back"
    )
    print(run.best)


@with_training_options
def detect(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Pictures with any number of boxes: COCO, VOC, YOLO, CSV.")
    ],
    trunk: Trunk,
    out: Out,
    weights: Weights = None,
    tap: Annotated[
        list[str] | None, typer.Option(help="A map that is looked at; again for more. Default: one for each size.")
    ] = None,
    finetune: Annotated[str, typer.Option(help="all, or the tap that learning begins at.")] = "all",
    stem: Stem = "full",
    width: Annotated[
        float | None,
        typer.Option(help="Features of a ResNet and of the layers after it, of the published. Default: 1."),
    ] = None,
    validation: Validation = None,
    size: Annotated[int | None, typer.Option(help="Bring pictures to a square of this side. Default: 300.")] = None,
    fit_boxes: Annotated[
        bool, typer.Option("--fit-boxes", help="Default boxes fitted to the data's objects, not the published shapes.")
    ] = False,
    objectness: Annotated[
        str | None, typer.Option(help="softmax: background is one of the classes (default); or binary.")
    ] = None,
    box_loss: Annotated[str | None, typer.Option(help="smooth_l1, l1, mse or giou. Default: smooth_l1.")] = None,
    object_weight: Annotated[float | None, typer.Option(help="Of whether there is an object, if binary.")] = None,
    class_weight: Annotated[float | None, typer.Option(help="Of which it is. Default: 1.")] = None,
    box_weight: Annotated[float | None, typer.Option(help="Of where it is. Default: 1.")] = None,
    negatives: Annotated[
        float | None, typer.Option(help="Places of background that count for each with an object. Default: 3.")
    ] = None,
    negatives_when_empty: Annotated[
        int | None, typer.Option(help="How many count in a picture without objects. Default: 12.")
    ] = None,
    zoom_out: Annotated[
        float | None, typer.Option(help="Show pictures up to so many times smaller, on a canvas. Default: 4.")
    ] = None,
    crop: Annotated[
        bool | None, typer.Option("--crop/--no-crop", help="Show parts that hold an object (default).")
    ] = None,
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
    found = (run := _train("detect", locals(), taps="tap")).metrics
    print(f"AP {found['ap']:.3f}, at IoU .5 {found['ap50']:.3f}, of {found['objects']:,} objects kept back")
    print(run.best)


def _train(task: str, given: dict[str, Any], **renamed: str) -> Run:
    """Trains by what was given on the line; what was not keeps its default in Python. `renamed`: Python's word=ours."""
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
        run = train(task, **{"weights": None, **options})
    _report_skipped(run.skipped)
    return run


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
        typer.echo(f"skipped: {one.reason}", err=True)
    if several:
        typer.echo(f"skipped {len(several)} files", err=True)
