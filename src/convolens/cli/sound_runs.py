"""What commands on sounds share: one sound or many, the bar, the plot, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from convolens.cli.telling import tell, tell_failure, tell_many, tell_written

One = Callable[[Path, Path], object]  # one sound to one file


def each(source: Path, target: Path, one: One, plot: Path | None = None) -> None:
    """One sound, or many into a folder: then a bad one is reported and skipped, and the exit code says so.

    Raises:
        ArgumentError: a plot of many.
        FileError: no sounds, or another process is writing into the folder.
    """
    from convolens.errors import ArgumentError
    from convolens.media.found_sounds import is_many_sounds, sound_results
    from convolens.media.one_writer import only_writer
    from convolens.media.picture_files import attempt

    if not is_many_sounds(source):
        one(source, target)
        return
    if plot is not None:
        raise ArgumentError(f"plot: need one sound to draw, got {source}, which stands for many")
    results = sound_results(source, target)
    failures = 0
    with only_writer(target):
        for file, result in results.items():
            outcome = attempt(file, partial(one, file, result))
            if outcome.error:
                failures += 1
                tell_failure(f"skipped: {outcome.error}")
    tell_many(target, len(results) - failures, failures, "sounds")


def from_file_to_file(
    source: Path,
    target: Path,
    change: Any,
    *,
    longer: Callable[[int], int] = lambda rate: 0,
    channels: Callable[[int], int] = lambda count: count,
    normalize: bool = False,
    limit: bool = False,
    plot: Path | None,
) -> None:
    """Streams a sound through a change, with a progress bar, and says what the format could not hold."""
    from convolens.effects.sounds.files import change_sound_file
    from convolens.media.audio_reading import audio_length, reading
    from convolens.media.outline import Outline
    from convolens.progress import watching
    from convolens.sources.copies import brought_here

    watched = {"before": Outline(), "after": Outline()} if plot else {}
    watchers: dict[str, Any] = {name: made.add for name, made in watched.items()}
    with brought_here(source, "a sound") as file:
        with reading(file) as sound:
            rate, _ = sound.samplerate, channels(sound.channels)  # refuses nonsense before anything is drawn or written
        length = audio_length(file) * (2 if normalize else 1)
        with watching(target.name, length, counted=False) as work:
            written = change_sound_file(
                file, target, change, longer=longer, channels=channels, normalize=normalize, limit=limit,
                progress=work.advance, **watchers,
            )  # fmt: skip
    tell_written(target)
    if plot:
        _draw(plot, watched, rate)
        tell_written(plot)
    if written.clipped:
        tell(
            f"warning: {target}: {written.clipped} samples were louder than the format can hold and were clipped, "
            f"the loudest {written.peak:.3g} times full scale; --normalize or --limit keep them whole"
        )


def _draw(plot: Path, outlines: Any, rate: int) -> None:
    from convolens.media.draw import sounds
    from convolens.media.images import write_image

    write_image(plot, sounds(list(outlines.items()), rate))
