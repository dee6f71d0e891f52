"""`convolens echo|reverb|unecho|filter`: sounds in, sounds out, one or many. Rate and encoding stay with each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.sound_runs import each, from_file_to_file

Source = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="A sound: WAV, FLAC, OGG, MP3; M4A and films by convolens[media]. A folder, 'takes/*.wav', an address.",
    ),
]
Target = Annotated[
    Path, typer.Argument(metavar="OUT", help="Where to write; the suffix chooses the format. A folder for many.")
]
Normalize = Annotated[
    bool, typer.Option("--normalize", help="Scale the result so that its loudest sample just reaches full scale.")
]
Limit = Annotated[
    bool, typer.Option("--limit", help="Let loud samples approach full scale softly instead of clipping them.")
]
Plot = Annotated[
    Path | None, typer.Option(metavar="PNG", help="Draw waveform and spectrogram, before and after, into this file.")
]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(echo)
    app.command()(reverb)
    app.command()(unecho)
    app.command("filter")(filter_sound)


def echo(
    source: Source,
    target: Target,
    delay: Annotated[list[float], typer.Option(help="Seconds until an echo; repeat for more echoes.")],
    weight: Annotated[
        list[str], typer.Option(help="How loud that echo is; one for each --delay. LEFT,RIGHT for each side its own.")
    ],
    dry: Annotated[float, typer.Option(help="How loud the sound itself stays.")] = 1.0,
    feedback: Annotated[
        float, typer.Option(help="What of the echoes goes round again, every longest delay; between -1 and 1.")
    ] = 0.0,
    sub_sample: Annotated[
        bool, typer.Option("--sub-sample", help="Keep delays that fall between two frames, by interpolation.")
    ] = False,
    normalize: Normalize = False,
    limit: Limit = False,
    plot: Plot = None,
) -> None:
    """Add echoes to a sound. The output is longer than the input by the longest delay.

    With --feedback it lasts until the echoes are 90 dB down. The sound is read and written as a stream, in its own
    encoding: memory does not grow with its length.

    \b
    Examples:
      convolens echo voice.wav cave.wav --delay 0.25 --weight 0.5 --delay 0.5 --weight 0.25
      convolens echo guitar.wav ping-pong.wav --delay 0.3 --weight 0.6,0 --delay 0.6 --weight 0,0.5 --feedback 0.4
      convolens echo concert.flac hall.flac --delay 0.08 --weight 0.7 --normalize
      convolens echo takes far-away --delay 0.3 --weight 0.4
    """
    from functools import partial

    from convolens.effects.sounds.echo_stream import echo_stream
    from convolens.effects.sounds.echo_taps import echo_taps

    weights = _weights(weight)
    options: dict[str, Any] = {"dry": dry, "feedback": feedback, "sub_sample": sub_sample}
    taps = echo_taps(48000, delay, weights, **options)  # refuses nonsense before a file is opened
    one = partial(
        from_file_to_file,
        change=partial(echo_stream, delays=delay, weights=weights, **options),
        longer=lambda rate: echo_taps(rate, delay, weights, **options).tail,
        channels=taps.channels,
        normalize=normalize,
        limit=limit,
        plot=plot,
    )
    each(source, target, one, plot)


def reverb(
    source: Source,
    impulse: Annotated[
        Path, typer.Argument(metavar="IMPULSE", help="What a room answers to a click: 1, 2, or 4 channels.")
    ],
    target: Target,
    wet: Annotated[float, typer.Option(help="How loud the room is.")] = 0.3,
    dry: Annotated[float, typer.Option(help="How loud the sound itself stays.")] = 0.7,
    pre_delay: Annotated[float, typer.Option(help="Seconds until the room begins to answer.")] = 0.0,
    normalize: Normalize = False,
    limit: Limit = False,
    plot: Plot = None,
) -> None:
    """Put a sound in a room, given the room's impulse response. The output is longer by the whole of it.

    An impulse of one channel serves all; of two, one for each side, and makes a sound of one channel stereo; of
    four, it is true stereo: left to left, left to right, right to left, right to right. It is resampled to the sound's
    rate, and neither normalised nor cut. The sound is read and written as a stream, in its own encoding.

    \b
    Examples:
      convolens reverb voice.wav church.wav out.wav
      convolens reverb voice.flac plate.wav out.flac --wet 0.5 --dry 0.5 --pre-delay 0.02 --limit
    """
    from functools import partial

    from convolens.effects.sounds.reverb import channels_after, reverb_stream
    from convolens.media.audio import read_audio

    room, room_rate = read_audio(impulse)

    def change(blocks: Any, rate: int) -> Any:
        return reverb_stream(blocks, room, dry=dry, wet=wet, rate=rate, impulse_rate=room_rate, pre_delay=pre_delay)

    one = partial(
        from_file_to_file,
        change=change,
        longer=lambda rate: round(pre_delay * rate) + -(-len(room) * rate // room_rate),
        channels=partial(channels_after, of_impulse=1 if room.ndim == 1 else room.shape[1]),
        normalize=normalize,
        limit=limit,
        plot=plot,
    )
    each(source, target, one, plot)


def unecho(
    source: Source,
    target: Target,
    reference: Annotated[
        Path | None, typer.Option(metavar="SOUND", help="The same recording without echoes, to find them by.")
    ] = None,
    delay: Annotated[list[float] | None, typer.Option(help="Seconds until an echo, if you know it.")] = None,
    weight: Annotated[list[float] | None, typer.Option(help="How loud that echo is; one for each --delay.")] = None,
    regularization: Annotated[
        float, typer.Option(help="Pitches of which the echoes leave less than this are given up; 0 gives none up.")
    ] = 0.0,
    plot: Plot = None,
) -> None:
    """Find the echoes of a recording and remove them.

    They are found in the recording itself, or by comparison with a reference, and printed; or say which there are.
    Where none stands out, or they cancel a pitch, it says so and writes nothing.

    \b
    Examples:
      convolens unecho stairwell.wav clean.wav
      convolens unecho 'lectures/*.flac' clean
      convolens unecho hall.wav clean.wav --delay 0.3 --weight 0.5 --plot clean.png
    """
    from convolens.effects.sounds.echo_search import find_echoes
    from convolens.effects.sounds.unecho import change_for
    from convolens.media.audio import read_audio

    def one(sound: Path, result: Path) -> None:
        found = (tuple(delay or ()), tuple(weight or ()))
        if not (delay or weight):
            recording, rate = read_audio(sound, seconds=60)
            compared = _reference_at(rate, reference) if reference else None
            found = find_echoes(recording, rate, reference=compared)
            typer.echo("found " + ", ".join(f"{d:.4f} s × {w:.3f}" for d, w in zip(*found, strict=True)))
        from_file_to_file(sound, result, change_for(*found, regularization=regularization), plot=plot)

    each(source, target, one, plot)


def filter_sound(
    source: Source,
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="lowpass, highpass, bandpass, notch, lowshelf, highshelf or a-weighting."),
    ],
    target: Target,
    frequency: Annotated[
        list[float] | None, typer.Option(help="Hz where it cuts; of bandpass and notch give two, the lower first.")
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(help="Hz from letting through to keeping out; a quarter of the frequency by default."),
    ] = None,
    gain: Annotated[float | None, typer.Option(help="Of a shelf: how much louder its side becomes, in dB.")] = None,
    normalize: Normalize = False,
    limit: Limit = False,
    plot: Plot = None,
) -> None:
    """Keep some pitches of a sound and take out others, without delay and without shifting one against another.

    The output is as long as the input. What is taken out is 80 dB down.

    \b
    Examples:
      convolens filter voice.wav highpass clean.wav --frequency 80
      convolens filter call.wav bandpass phone.wav --frequency 300 --frequency 3400
      convolens filter mains.flac notch quiet.flac --frequency 48 --frequency 52 --width 2
      convolens filter mix.wav lowshelf warm.wav --frequency 200 --gain 4 --limit
    """
    from functools import partial

    from convolens.effects.sound_kernels import FILTERS, filter_weights
    from convolens.effects.sounds.filter import filter_stream
    from convolens.errors import need_one_of

    need_one_of("kind", kind, FILTERS)

    def change(blocks: Any, rate: int) -> Any:
        return filter_stream(blocks, filter_weights(kind, frequency, rate, width, gain))

    each(source, target, partial(from_file_to_file, change=change, normalize=normalize, limit=limit, plot=plot), plot)


def _reference_at(rate: int, reference: Path) -> Any:
    """The reference, which must have the recording's rate."""
    from convolens.errors import ArgumentError
    from convolens.media.audio import read_audio

    samples, reference_rate = read_audio(reference, seconds=60)
    if reference_rate != rate:
        raise ArgumentError(f"{reference}: need the recording's rate, {rate} Hz, got {reference_rate} Hz")
    return samples


def _weights(words: list[str]) -> Any:
    """One number for each delay, or one for each channel."""
    from convolens.errors import ArgumentError

    try:
        rows = [[float(number) for number in word.split(",")] for word in words]
    except ValueError as error:
        raise ArgumentError(f"weight: need a number, or one for each channel as in 0.5,0.3; {error}") from error
    if len({len(row) for row in rows}) > 1:
        raise ArgumentError("weight: need as many channels in each, got some with more and some with fewer")
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows
