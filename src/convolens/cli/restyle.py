"""`convolens stylize`: repaint pictures in the style of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.telling import tell, tell_written, telling_what_is_kept

NO_CONTENT = "-"


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(stylize)


def stylize(
    content: Annotated[
        str, typer.Argument(metavar="CONTENT", help="A picture, a folder or 'photos/*.jpg', or - for a texture.")
    ],
    style: Annotated[Path, typer.Argument(metavar="STYLE", help="The picture whose style is taken.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write: a picture, or a folder for a folder.")],
    style2: Annotated[list[Path] | None, typer.Option(help="A further style; again for more.")] = None,
    mix: Annotated[
        list[float] | None, typer.Option(help="How much a style counts: once for each, STYLE first. Default: alike.")
    ] = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="Where a style applies, white: a picture for each, STYLE first.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Longer side of the result in pixels. Default: CONTENT's.")] = None,
    content_weight: Annotated[float, typer.Option(help="Of the content's loss.")] = 1.0,
    style_weight: Annotated[float, typer.Option(help="Of the style's loss.")] = 5.0,
    tv_weight: Annotated[float, typer.Option(help="Of the steps between neighboring pixels: more is smoother.")] = 5.0,
    tv_color_weight: Annotated[
        float, typer.Option(help="Of steps of color beside those of light: more leaves less speckle of color.")
    ] = 10.0,
    strength: Annotated[float, typer.Option(help="From 0, the content as it is, to 1, nothing but style.")] = 0.5,
    keep_colors: Annotated[
        bool, typer.Option("--keep-colors", help="Keep CONTENT's colors: restyle light and dark only.")
    ] = False,
    match_colors: Annotated[
        bool, typer.Option("--match-colors", help="Bring the style's colors to CONTENT's first.")
    ] = False,
    scales: Annotated[int | None, typer.Option(help="How many, coarse to fine. Default: by size.")] = None,
    steps: Annotated[int, typer.Option(help="At full size; each coarser scale takes twice as many.")] = 60,
    content_tap: Annotated[list[str] | None, typer.Option(help="Tap for the content; again for more.")] = None,
    style_tap: Annotated[list[str] | None, typer.Option(help="Tap for the style; again for more.")] = None,
    trunk: Annotated[str, typer.Option(help="The network.")] = "vgg16",
    weights: Annotated[str, typer.Option(help="Its weights: a name, such as hed, or a file.")] = "hed",
    pooling: Annotated[str, typer.Option(help="max or average.")] = "max",
    padding: Annotated[
        str, typer.Option(help="Past the border the network sees: edge, the last pixel again, or constant, as trained.")
    ] = "edge",
    optimizer: Annotated[str, typer.Option(help="lbfgs or adam.")] = "lbfgs",
    start: Annotated[str | None, typer.Option("--init", help="Start from content, noise, style, or a picture.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    save_every: Annotated[
        int, typer.Option(help="Write the picture so far after this number of steps, again and again; 0: at the end.")
    ] = 0,
    sequence: Annotated[
        bool, typer.Option("--sequence", help="The folder's pictures are frames: each starts from the one before.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume what was stopped.")] = False,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, …")] = "auto",
) -> None:
    """Repaint a picture in the style of another.

    Ctrl-C keeps the best so far in OUT; --resume continues. 16-bit PNG and TIFF stay 16-bit.

    \b
    Examples:
      convolens stylize photo.jpg painting.jpg out.png --size 1024
      convolens stylize photo.jpg painting.jpg out.png --keep-colors --strength 0.7 --save-every 20
      convolens stylize photo.jpg left.jpg out.png --style2 right.jpg --mask l.png --mask r.png
      convolens stylize frames painting.jpg restyled --sequence
      convolens stylize - painting.jpg texture.png --size 512
    """
    from convolens.errors import ArgumentError
    from convolens.media.picture_files import is_many
    from convolens.torch_loading import need_networks

    need_networks("stylize")
    from convolens.inference.stylize import stylize_file, stylize_folder

    if keep_colors and match_colors:
        raise ArgumentError("colors: need --keep-colors or --match-colors, got both")
    options: dict[str, Any] = {
        "size": size, "strength": strength, "content_weight": content_weight, "style_weight": style_weight,
        "tv_weight": tv_weight, "tv_color_weight": tv_color_weight,
        "scales": scales, "steps": steps, "trunk": trunk, "weights": weights,
        "pooling": pooling, "padding": padding,
        "keep_colors": "histogram" if match_colors else keep_colors, "optimizer": optimizer, "init": start,
        "seed": seed, "mix": mix or None, "masks": mask or None,
        "content_taps": content_tap or None, "style_taps": style_tap or None,
        "device": device, "save_every": save_every, "resume": resume, "tell": tell,
    }  # fmt: skip
    styles = [style, *(style2 or [])]
    with telling_what_is_kept():
        if content == NO_CONTENT or not is_many(content):
            tell_written(stylize_file(None if content == NO_CONTENT else Path(content), styles, out, **options))
            return
        outcomes = stylize_folder(content, styles, out, sequence=sequence, **options)
    failed = sum(bool(outcome.error) for outcome in outcomes)
    tell_written(out, f"{len(outcomes) - failed} pictures, {failed} could not be done")
    if failed:
        raise typer.Exit(2)
