"""`convolens echo`: sounds in, sounds out. Rate and encoding stay with the sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(metavar="IN", help="A sound: WAV, FLAC, OGG or MP3.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Where to write; the suffix chooses the format.")]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(echo)


def echo(
    source: Source,
    target: Target,
    delay: Annotated[list[float], typer.Option(help="Seconds until an echo; repeat for more echoes.")],
    weight: Annotated[list[float], typer.Option(help="How loud that echo is; one for each --delay.")],
    dry: Annotated[float, typer.Option(help="How loud the sound itself stays.")] = 1.0,
) -> None:
    r"""Add echoes to a sound. The output is longer than the input by the longest delay.

    \b
    Example:
      convolens echo voice.wav cave.wav --delay 0.25 --weight 0.5 --delay 0.5 --weight 0.25
    """
    from convolens.effects.echo import echo as with_echoes
    from convolens.media.audio import read_sound, write_sound

    sound = read_sound(source)
    result = sound.with_samples(with_echoes(sound.samples, sound.rate, delay, weight, dry=dry))
    clipped = write_sound(target, result, keeping=(source,))
    if clipped:
        typer.echo(
            f"warning: {target}: {clipped} samples were louder than the format can hold and were clipped", err=True
        )
