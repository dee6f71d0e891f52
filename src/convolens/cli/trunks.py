"""`convolens trace|scan|weights`: what a network's features see, where a class is, and whose weights to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolens.cli.budget import Commands
from convolens.cli.networks import Device
from convolens.cli.telling import answer, answer_line, tell_written

Source = Annotated[Path, typer.Argument(metavar="IN", help="A picture.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Where to write the drawing.")]
Network = Annotated[str, typer.Option("--trunk", help="The network, such as vgg16 or resnet50.")]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(trace)
    app.command()(scan)
    weights = Commands(rich_markup_mode=None, help="Published weights: list them, fetch them, take in your own.")
    weights.command("list")(weights_list)
    weights.command("get")(weights_get)
    weights.command("import")(weights_import)
    weights.command("info")(weights_info)
    app.add_typer(weights, name="weights")


def trace(
    source: Source,
    target: Target,
    tap: Annotated[str, typer.Option(help="The tap whose features are traced, such as conv4_3.")],
    at: Annotated[
        tuple[int, int] | None, typer.Option(metavar="ROW COLUMN", help="A feature of the map, to draw its box.")
    ] = None,
    strongest: Annotated[int, typer.Option(help="How many of the strongest features to draw.")] = 5,
    trunk: Network = "vgg16",
    weights: Annotated[str, typer.Option(help="The trunk's weights: a name, such as hed, or a file.")] = "hed",
    device: Device = "auto",
) -> None:
    """Draw which part of a picture a feature sees, and where the strongest features look.

    \b
    Example:
      convolens trace photo.jpg traced.png --tap conv4_3 --at 20 30
    """
    from convolens.features.trace import draw_trace, strongest_features
    from convolens.media.images import Picture, read_image, write_picture
    from convolens.trunks.registry import trunk as make_trunk

    network = make_trunk(trunk, weights=weights, device=device)
    image = read_image(source)
    named = {f"{tap} {at[0]},{at[1]}": network.trace(tap, *at, clip=image.shape[:2])} if at else {}
    features = strongest_features(network, image, tap, strongest)
    write_picture(target, Picture(draw_trace(image, features, named)))
    tell_written(target)
    for name, box in named.items():
        answer_line(f"{name} sees {box}")
    for feature in features:
        print(f"channel {feature.channel} at {feature.row},{feature.column} sees {feature.box_xyxy}")


def scan(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder of train, or a .safetensors file.")],
    source: Source,
    target: Target,
    class_name: Annotated[str, typer.Option("--class", help="The class to look for.")],
    window: Annotated[int, typer.Option(help="Side of a window in pixels: that of the pictures it was trained on.")],
    stride: Annotated[int | None, typer.Option(help="Pixels between windows; a divisor of the network's own.")] = None,
    device: Device = "auto",
) -> None:
    """Draw where in a large picture a class is: every window is scored, in one pass.

    \b
    Example:
      convolens scan runs/textures wall.jpg map.png --class brick --window 64
    """
    from convolens.features.scan import draw_scan, stride_of
    from convolens.features.scan import scan as score
    from convolens.media.images import Picture, read_image, write_picture
    from convolens.models import load

    loaded, image = load(model, device=device), read_image(source)
    likely = score(loaded, image, class_name, window=window, stride=stride)
    drawing = draw_scan(image, likely, window=window, stride=stride or stride_of(loaded, window))
    write_picture(target, Picture(drawing))
    tell_written(target)
    answer_line(f"{likely.shape[0]} × {likely.shape[1]} windows, {(likely > 0.5).mean():.1%} of them {class_name}")


def weights_list() -> None:
    """List published weights: for which trunk, how good, under which license, and whether they are on this machine.

    \b
    Example:
      convolens weights list
    """
    from convolens.trunks.weights.loading import is_here
    from convolens.trunks.weights.table import WEIGHTS

    print(f"{'name':<28}{'top-1':>7}{'top-5':>7}  {'here':<5}{'license':<32}about")
    for name, entry in WEIGHTS.items():
        top1, top5 = (f"{value:.2f}" if value else "" for value in (entry.top1, entry.top5))
        here = "yes" if is_here(entry) else ""
        print(f"{name:<28}{top1:>7}{top5:>7}  {here:<5}{entry.license:<32}{entry.about}")


def weights_get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As listed, such as resnet50/imagenet.")],
) -> None:
    """Fetch published weights, so that they are there when the network is not; print their path.

    \b
    Example:
      convolens weights get resnet50/imagenet
    """
    from convolens.errors import need_one_of
    from convolens.trunks.weights.loading import get
    from convolens.trunks.weights.table import WEIGHTS

    need_one_of("weights", name, WEIGHTS)
    print(get(WEIGHTS[name]))


def weights_import(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .pth, .safetensors or Keras .h5 file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A .safetensors file to write.")],
    trunk: Network,
) -> None:
    """Take in somebody's weights: check them against the network, write them as one .safetensors file.

    A file with a classifier becomes a model that `convolens predict` takes.

    \b
    Example:
      convolens weights import resnet50-mine.pth mine.safetensors --trunk resnet50
    """
    from convolens.models.import_weights import import_weights

    answer_line(import_weights(source, target, trunk))


def weights_info(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A weights file.")],
) -> None:
    """Say what a weights file holds: whose network it looks like, how many numbers, which preprocessing.

    \b
    Example:
      convolens weights info resnet50-mine.pth
    """
    from convolens.trunks import describe_weights

    answer(describe_weights(source))
