"""A stream through a room's 48,000 weights, block by block, beside pedalboard's.

    python -m benchmarks.convolver [FRAMES ...]        512 frames a block by default
    python -m benchmarks.convolver reverb              a minute of stereo in blocks of 65,536, beside the whole at once

Seconds of the processor are counted, not of the clock, so that other programs on the machine weigh less; both work on
one thread. A block's latency is what the slowest of all blocks took, as a sound card waits for that one; the 99th
hundredth of the blocks is told too, as a busy machine stops any program now and then. The first block is apart: it
brings the weights' transforms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convolens as cl
from convolens.effects.sounds.reverb import reverb_stream

WEIGHTS, RATE, SECONDS = 48_000, 48_000, 20.0
ROUNDS = 3


def impulse() -> NDArray[np.float32]:
    """Noise that dies away."""
    fall = np.exp(-np.arange(WEIGHTS) / 9_000)
    return (np.random.default_rng(0).standard_normal(WEIGHTS) * fall * 0.02).astype(np.float32)


def ours(weights: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Any]:
    """A new stream's way from block to block, of channels × frames as theirs."""
    return cl.convolver(weights, axis=-1).push


def theirs(weights: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Any]:
    """Pedalboard's."""
    from pedalboard import Convolution

    plugin = Convolution(weights[None], mix=1.0, sample_rate=RATE)
    return lambda block: plugin.process(block, RATE, reset=False)


def times(push: Callable[[NDArray[np.float32]], Any], blocks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Seconds of the processor that each block took."""
    spent = []
    for block in blocks:
        begin = time.process_time()
        push(block)
        spent.append(time.process_time() - begin)
    return np.array(spent)


def near(weights: NDArray[np.float32], blocks: list[NDArray[np.float32]]) -> None:
    """Refuses to go on unless both do the same to the first blocks, long enough for all weights."""
    first = blocks[: 2 * WEIGHTS // blocks[0].shape[1]]
    mine, other = (
        np.concatenate([push(block) for block in first], axis=-1) for push in (ours(weights), theirs(weights))
    )
    gain = np.vdot(mine, other) / np.vdot(mine, mine)  # theirs is in proportion to the weights' energy
    assert np.abs(gain * mine - other).max() < 1e-5 * np.abs(other).max()


def reverbs() -> None:
    """Prints how many times faster than it plays a reverb is, as a stream and of the whole, on all threads."""
    rng = np.random.default_rng(0)
    sound = (rng.standard_normal((60 * RATE, 2)) / 10).astype(np.float32)
    blocks = [sound[at : at + 65536] for at in range(0, len(sound), 65536)]
    print("| weights | channels of the room | as a stream | the whole |\n|---|---|---|---|")
    for weights in (4_800, 48_000, 240_000):
        for channels in (1, 2, 4):
            room = (rng.standard_normal((weights, channels)) * 0.01).astype(np.float32)
            ways = (
                (lambda room=room: sum(len(one) for one in reverb_stream(blocks, room))),
                (lambda room=room: len(cl.reverb(sound, room))),
            )
            spent = [min(seconds(way) for _ in range(ROUNDS)) for way in ways]
            print(f"| {weights} | {channels} |" + "".join(f" {60 / one:.0f}× |" for one in spent), flush=True)


def seconds(work: Callable[[], Any]) -> float:
    """By the clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def streams(frames_each: list[int]) -> None:
    """Prints a line for each size of block, in mono and stereo."""
    cl.threads(1)
    weights, rng = impulse(), np.random.default_rng(1)
    print("| channels, frames a block | ours, of real time | pedalboard | ratio ", end="")
    print("| ours: median, 99%, longest | first | played in |")
    print("|---|---|---|---|---|---|---|")
    sizes = [(channels, frames) for frames in frames_each for channels in (1, 2)]
    for channels, frames in sizes:
        blocks = list(rng.standard_normal((int(SECONDS * RATE / frames), channels, frames)).astype(np.float32))
        near(weights, blocks)
        ways = {"ours": ours, "theirs": theirs}
        best: dict[str, NDArray[np.float64]] = {}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                spent = times(way(weights), blocks)
                best[name] = spent if name not in best or spent.sum() < best[name].sum() else best[name]
        played = len(blocks) * frames / RATE
        speeds = {name: played / spent.sum() for name, spent in best.items()}
        first, middle, late, last = 1e3 * np.array([best["ours"][0], *np.quantile(best["ours"][1:], [0.5, 0.99, 1])])
        print(
            f"| {channels}, {frames} | {speeds['ours']:.0f}× | {speeds['theirs']:.0f}× "
            f"| {speeds['ours'] / speeds['theirs']:.2f} | {middle:.3f}, {late:.3f}, {last:.3f} ms | {first:.2f} ms "
            f"| {1e3 * frames / RATE:.1f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["reverb"]:
        reverbs()
    else:
        streams([int(word) for word in sys.argv[1:]] or [512])
