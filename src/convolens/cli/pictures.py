"""`convolens blur|sharpen|edges`: pictures in, pictures out. Colour profile and metadata stay with the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(metavar="IN", help="A picture: PNG, JPEG, TIFF, WebP, BMP or GIF.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Where to write; the suffix chooses the format.")]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(blur)
    app.command()(sharpen)
    app.command()(edges)


def blur(
    source: Source,
    target: Target,
    sigma: Annotated[float, typer.Option(help="Width of the blur in pixels.")],
) -> None:
    """Blur a picture by a Gaussian.

    \b
    Example:
      convolens blur photo.jpg soft.jpg --sigma 5
    """
    from convolens.effects.blur import blur as blurred
    from convolens.media.images import read_picture, write_picture

    picture = read_picture(source)
    write_picture(target, picture.with_pixels(blurred(picture.pixels, sigma)), keeping=(source,))


def sharpen(
    source: Source,
    target: Target,
    sigma: Annotated[float, typer.Option(help="Size of the detail in pixels.")] = 1.5,
    amount: Annotated[float, typer.Option(help="How much of the detail is added: 0 none, 1 doubles it.")] = 1.0,
    threshold: Annotated[float, typer.Option(help="Detail below this many levels is left as it is.")] = 0.0,
) -> None:
    """Sharpen a picture by unsharp masking: add what a blur of it leaves out.

    \b
    Example:
      convolens sharpen photo.jpg crisp.jpg --sigma 1.5 --amount 0.8
    """
    from convolens.effects.sharpen import sharpen as sharpened
    from convolens.media.images import read_picture, write_picture

    picture = read_picture(source)
    result = sharpened(picture.pixels, sigma, amount=amount, threshold=threshold)
    write_picture(target, picture.with_pixels(result), keeping=(source,))


def edges(
    source: Source,
    target: Target,
    gain: Annotated[float, typer.Option(help="Brightness: at 1, a step from black to white gives white.")] = 1.0,
    learned: Annotated[
        bool, typer.Option("--learned", help="Beside them, on the right, edges as HED learned them.")
    ] = False,
) -> None:
    """Show where brightness or colour changes, by Sobel's gradient, as a grey picture.

    \b
    Examples:
      convolens edges photo.jpg edges.png --gain 2
      convolens edges photo.jpg both.png --learned
    """
    from convolens.media.images import read_picture, write_picture

    if learned:
        from convolens.tasks.learned_edges import edges_side_by_side as find
    else:
        from convolens.effects.edges import edge_picture as find

    picture = read_picture(source)
    write_picture(target, picture.with_pixels(find(picture.pixels, gain=gain)), keeping=(source,))
