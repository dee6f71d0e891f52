"""Sounds from file to file as a stream: memory does not grow with the length of the file.

Blocks are read, changed and written; a change keeps what it needs of the past. The result does not depend on how the
file was cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.effects.sounds.sound import soften
from convolens.errors import ArgumentError, FormatError
from convolens.media.audio_extras import read_extras
from convolens.media.audio_reading import BLOCK_FRAMES, audio_length, reading, sound_blocks
from convolens.media.audio_writing import clipped, kept_subtype, write_blocks, writing_audio
from convolens.media.files import AnyPath
from convolens.media.inputs import reads

Blocks = Iterator[NDArray[np.float32]]
Change = Callable[[Iterable[NDArray[np.float32]], int], Blocks]  # blocks (frames, channels) and the rate → blocks
Watcher = Callable[[NDArray[np.float32]], Any]


@dataclass(frozen=True)
class Written:
    """What became of a sound: how long it is, how loud, and what the format could not hold."""

    frames: int
    peak: float  # before scaling
    gain: float  # by which it was scaled
    clipped: int  # samples beyond ±1, cut off by formats of integers


@reads("source")
def change_sound_file(
    source: AnyPath,
    target: AnyPath,
    change: Change,
    *,
    longer: Callable[[int], int] = lambda rate: 0,
    channels: Callable[[int], int] = lambda count: count,
    normalize: bool = False,
    limit: bool = False,
    block: int = BLOCK_FRAMES,
    progress: Callable[[int], Any] = lambda frames: None,
    before: Watcher = lambda samples: None,
    after: Watcher = lambda samples: None,
) -> Written:
    """Reads a sound, changes it and writes it in its own encoding, block by block.

    Args:
        source: what to read.
        target: where to write; the suffix chooses the format. It takes its name when it is whole.
        change: takes the blocks, `(frames, channels)` float32, and the rate, and gives the changed blocks.
        longer: by how many frames the result is longer, given the rate: a WAV that passes 4 GiB must know it at once.
        channels: how many the result has, given those of the sound.
        normalize: scale the result so that its loudest sample just reaches full scale. Computes it twice.
        limit: let loud samples approach full scale softly, as `soften` does, instead of clipping them.
        block: frames read at a time.
        progress: called with how many frames were read, after each block; with `normalize` each frame is read twice.
        before: given each block that is read, once.
        after: given each block that is written.

    Raises:
        ArgumentError: both `normalize` and `limit`.
        FormatError: not a sound, without samples, damaged, or an output that cannot be written.
        FileError: nothing is there, or the output is the input.
    """
    if normalize and limit:
        raise ArgumentError("limit: need either to normalize or to limit, got both")

    def changed(watcher: Watcher) -> Blocks:
        # Whatever happens, the thread that reads has ended before the file is closed.
        with reading(source) as sound, closing(_prefetched(sound_blocks(sound, source, block))) as coming:
            yield from change(_observed(coming, progress, watcher), sound.samplerate)

    with reading(source) as sound:
        rate, wide, subtype = sound.samplerate, channels(sound.channels), kept_subtype(target, sound.subtype)
        length = audio_length(source)
        if length == 0:
            raise FormatError(f"{source}: need a sound of at least one sample, got none")
    gain = 1.0
    if normalize:
        loudest = max(map(_peak, changed(lambda samples: None)))
        gain = 1 / loudest if loudest > 0 else 1.0
    written, peak, cut = 0, 0.0, 0
    pending: Future[None] = Future()  # the block before, while it is written
    pending.set_result(None)
    with (
        writing_audio(
            target,
            rate,
            wide,
            subtype=subtype,
            frames=length + longer(rate),
            extras=read_extras(source),
        ) as out,  # fmt: skip
        ThreadPoolExecutor(1) as writer,
    ):
        for samples in changed(before):
            loudest = _peak(samples)
            scaled = samples if gain == 1 else (samples * np.float32(gain)).clip(-1, 1)  # rounding may pass 1
            scaled = soften(scaled) if limit else scaled
            peak, written = max(peak, loudest), written + len(scaled)
            cut += clipped(scaled) if loudest * gain > 1 else 0
            pending.result()
            pending = writer.submit(write_blocks, out, scaled)
            after(scaled)
        pending.result()
    return Written(written, peak, gain, 0 if subtype in ("FLOAT", "DOUBLE") else cut)


def _prefetched(blocks: Blocks) -> Generator[NDArray[np.float32], None, None]:
    """The same blocks, of which the next is read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (samples := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield samples


def _observed(blocks: Iterable[NDArray[np.float32]], progress: Callable[[int], Any], watcher: Watcher) -> Blocks:
    for samples in blocks:
        watcher(samples)
        yield samples
        progress(len(samples))


def _peak(samples: NDArray[np.float32]) -> float:
    return float(max(samples.max(initial=0), -samples.min(initial=0)))
