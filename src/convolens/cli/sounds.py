"""`convolens echo`: sounds in, sounds out. Rate and encoding stay with the sound."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

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
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Scale the result so that its loudest sample just reaches full scale.")
    ] = False,
) -> None:
    """Add echoes to a sound. The output is longer than the input by the longest delay.

    The sound is read and written as a stream, in its own encoding: memory does not grow with its length.

    \b
    Examples:
      convolens echo voice.wav cave.wav --delay 0.25 --weight 0.5 --delay 0.5 --weight 0.25
      convolens echo concert.flac hall.flac --delay 0.08 --weight 0.7 --normalize
    """
    from functools import partial

    from convolens.effects.echo import echo_stream, echo_taps

    echo_taps(1, delay, weight, dry)  # refuses nonsense before a file is opened
    change = partial(echo_stream, delays=delay, weights=weight, dry=dry)
    _from_file_to_file(source, target, change, longer=max(delay), normalize=normalize)


def _from_file_to_file(source: Path, target: Path, change: Any, *, longer: float, normalize: bool) -> None:
    """Streams a sound through a change, with a progress bar, and says what the format could not hold."""
    from convolens.effects.sound_files import change_sound_file
    from convolens.media.audio import audio_length

    length = audio_length(source) * (2 if normalize else 1)
    with typer.progressbar(length=length, label=target.name, file=sys.stderr, show_eta=True) as bar:
        written = change_sound_file(
            source, target, change, longer=lambda rate: round(longer * rate), normalize=normalize, progress=bar.update
        )
    if written.clipped:
        typer.echo(
            f"warning: {target}: {written.clipped} samples were louder than the format can hold and were clipped, "
            f"the loudest {written.peak:.3g} times full scale; --normalize scales the sound instead",
            err=True,
        )
