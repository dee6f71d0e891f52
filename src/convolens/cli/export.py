"""`convolens export`: a model as a file that runs anywhere; `convolens quantize`: one that runs faster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolens.cli.telling import tell_written

if TYPE_CHECKING:
    from convolens.models import Model
    from convolens.trunks import Trunk


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(export)
    app.command()(quantize)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A run folder of train, a .safetensors file, a trunk's name, or learned_edges."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write: a name that ends in .onnx.")],
    weights: Annotated[
        str | None, typer.Option(help="Of a trunk: a name, such as hed, or a file. Without --tap: with its classifier.")
    ] = None,
    tap: Annotated[
        list[str] | None, typer.Option(help="Give the features of this tap instead of classes; repeatable.")
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURES",
            help="Pictures, folders, patterns to compare on; repeatable. Default: generated.",
        ),
    ] = None,
    opset: Annotated[int, typer.Option(help="The version of ONNX's operators, 18 to 21.")] = 18,
    batched: Annotated[
        bool, typer.Option("--batched", help="Take several pictures of one size at once: input pictures.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Take batches that are preprocessed: input batch.")] = False,
    int8: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURES",
            help="Bring the network to 8-bit integers, by pictures such as it will see; repeatable.",
        ),
    ] = None,
    labeled: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Data with answers, to measure what 8 bits lose.")
    ] = None,
    at_most: Annotated[
        float, typer.Option(help="Points of the metric that 8 bits may lose; else nothing is written.")
    ] = 1.0,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Also write a web page that runs the model in a browser, offline: its folder."
        ),
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="onnxruntime-web for the page: npm's .tgz, or its folder. Default: by npm, once."
        ),
    ] = None,
) -> None:
    """Write a model as one ONNX file that takes pictures and gives answers, once ONNX Runtime gives the same ones.

    \b
    Examples:
      convolens export runs/photos photos.onnx
      convolens export runs/street street.onnx --check street/test
      convolens export runs/street street.onnx --int8 street/train --labeled street/test
      convolens export runs/street street.onnx --page street-page
      convolens export resnet50 resnet50.onnx --weights resnet50/imagenet
      convolens export vgg16 features.onnx --weights hed --tap conv4_3
      convolens export learned_edges edges.onnx
    """
    from convolens.exporting.export import export as write
    from convolens.media.picture_files import find_pictures

    pictures, seen = (None if given is None else list(find_pictures(given)) for given in (check, int8))
    written = write(
        _made(model, weights, tap), out, taps=tap, check=pictures, opset=opset, batched=batched, raw=raw, int8=seen,
        labeled=labeled, at_most=at_most, page=page, runtime=runtime,
    )  # fmt: skip
    tell_written(written.path, str(written))
    if page is not None:
        tell_written(page, "open its index.html, or put the folder on any static host")


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder of train, or a .safetensors file.")],
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURES...", help="Pictures such as it will see, or sounds: files, folders, patterns."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write: a name that ends in .safetensors.")],
    labeled: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Data with answers, to measure what 8 bits lose.")
    ] = None,
    at_most: Annotated[
        float, typer.Option(help="Points of the metric that 8 bits may lose; else nothing is written.")
    ] = 1.0,
) -> None:
    """Bring a model to 8-bit integers, in which it predicts faster, by pictures such as it will see.

    \b
    Examples:
      convolens quantize runs/photos photos --out photos-int8.safetensors --labeled photos
      convolens quantize runs/street street/train --out street-int8.safetensors --labeled street/test
    """
    from convolens.evaluation.eight_bits import told
    from convolens.inference.feature_rows import files_for
    from convolens.inference.quantize import quantize as quantized
    from convolens.media.files import need_target
    from convolens.models import load

    need_target(out)
    loaded = load(model, device="cpu")
    files, _, what = files_for(loaded, pictures)
    small = quantized(loaded, list(files), labeled=labeled, at_most=at_most)
    small.save(out)
    tell_written(out, told(small.int8, what) if small.int8 else "int8; --labeled DATA would measure what that loses")


def _made(model: str, weights: str | None, taps: list[str] | None) -> Model | Trunk | Any:
    """The model of a file, or its trunk where taps are wanted; or a trunk, or published classifier, by its name."""
    from convolens.errors import ArgumentError
    from convolens.exporting.tasks import LEARNED_EDGES
    from convolens.models import load
    from convolens.models.classify import classifier
    from convolens.trunks import TRUNKS
    from convolens.trunks.registry import trunk

    if model == LEARNED_EDGES and not Path(model).exists():
        if weights is not None or taps:
            raise ArgumentError(
                f"weights: need none, and no tap, with {LEARNED_EDGES}, which has its own; leave them out"
            )
        return model
    if model not in TRUNKS or Path(model).exists():
        if weights is not None:
            raise ArgumentError("weights: need a trunk's name for them, got a model's file, which has its own")
        loaded = load(model, device="cpu")
        return loaded.trunk if taps else loaded
    if taps:
        return trunk(model, weights=weights, device="cpu")
    return classifier(model, weights=weights, head="original", device="cpu")
