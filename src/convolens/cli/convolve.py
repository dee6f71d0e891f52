"""`convolens convolve`: any picture or sound with any kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.telling import tell_failure, tell_written


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(convolve)


def convolve(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, or a sound (WAV, FLAC, OGG, MP3).")],
    kernel: Annotated[
        str,
        typer.Argument(
            metavar="KERNEL",
            help="Weights: a text file of rows, .npy, a picture, a sound; or a name: sobel-x, sobel-y, scharr-x, "
            "scharr-y, prewitt-x, prewitt-y, laplace, laplace-8, sharpen, emboss, box:5, gaussian:2, motion:15, "
            "disk:4.",
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write; the suffix chooses the format.")],
    mode: Annotated[str, typer.Option(help="full: with the tail; same: the input's size; valid: no border.")] = "same",
    boundary: Annotated[
        str, typer.Option(help="What lies past the border: constant, edge, reflect, symmetric or wrap.")
    ] = "constant",
    normalize: Annotated[bool, typer.Option("--normalize", help="Divide the kernel by its sum.")] = False,
    offset: Annotated[
        float, typer.Option(help="Added to each pixel, as a fraction of white: 0.5 shows what is negative.")
    ] = 0.0,
    explain: Annotated[bool, typer.Option("--explain", help="Print what each method would have cost.")] = False,
) -> None:
    """Convolve a picture or a sound with a kernel of your own, by whichever method is fastest.

    Every color and every channel by itself. A picture as the kernel counts as gray levels from 0 to 1.

    \b
    Examples:
      convolens convolve photo.jpg kernel.txt out.png --boundary symmetric
      convolens convolve photo.jpg emboss out.png --boundary symmetric --offset 0.5
      convolens convolve voice.wav hall.wav out.wav --mode full --normalize --explain
    """
    from convolens.effects.filtering import filtered, planned
    from convolens.effects.kernels import named_or_read
    from convolens.media.kernels import SOUNDS
    from convolens.shapes import check_boundary, check_mode

    weights = named_or_read(kernel)
    options: dict[str, Any] = {"mode": check_mode(mode), "boundary": check_boundary(boundary), "normalize": normalize}
    signal: Any = None
    if source.suffix.lower() in SOUNDS:
        from convolens.media import audio_writing
        from convolens.media.audio import read_audio
        from convolens.media.audio_extras import read_extras
        from convolens.media.audio_reading import reading

        signal, rate = read_audio(source)
        result = filtered(signal, weights, **options)
        with reading(source) as sound:
            subtype = audio_writing.kept_subtype(target, sound.subtype)
        channels = 1 if result.ndim == 1 else result.shape[1]
        with audio_writing.writing_audio(
            target, rate, channels, subtype=subtype, frames=len(result), extras=read_extras(source),
        ) as out:  # fmt: skip
            audio_writing.write_blocks(out, result)
        clipped = 0 if subtype in ("FLOAT", "DOUBLE") else audio_writing.clipped(result)
        if clipped:
            tell_failure(f"warning: {target}: {clipped} samples were too loud for the format and were clipped")
    else:
        from convolens.effects.pictures.files import change_picture_file
        from convolens.strips import Rows, first_strip

        def changed(pixels: Any) -> Any:
            nonlocal signal
            signal = first_strip(pixels, len(weights)) if isinstance(pixels, Rows) else pixels
            return filtered(pixels, weights, offset=offset, **options)

        change_picture_file(source, target, changed)
    tell_written(target)
    if explain:
        typer.echo(planned(signal, weights, **options).explain())
