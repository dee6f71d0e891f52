"""A stream through a room's 48,000 weights, block by block, beside pedalboard's.

    python -m benchmarks.convolver [FRAMES ...]        512 frames a block by default

Seconds of the processor are counted, not of the clock, so that other programs on the machine weigh less; both work on
one thread. A block's latency is what the slowest of all blocks took, as a sound card waits for that one; the 99th
hundredth of the blocks is told too, as a busy machine stops any program now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convolens as cl

WEIGHTS, RATE, SECONDS = 48_000, 48_000, 20.0
ROUNDS = 3


def impulse() -> NDArray[np.float32]:
    """Noise that dies away."""
    fall = np.exp(-np.arange(WEIGHTS) / 9_000)
    return (np.random.default_rng(0).standard_normal(WEIGHTS) * fall * 0.02).astype(np.float32)


def ours(weights: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Any]:
    """A new stream's way from block to block."""
    return cl.convolver(weights).push


def theirs(weights: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Any]:
    """pedalboard's, which takes channels × frames."""
    from pedalboard import Convolution

    plugin = Convolution(weights[None], mix=1.0, sample_rate=RATE)
    return lambda block: plugin.process(block[None], RATE, reset=False)


def times(push: Callable[[NDArray[np.float32]], Any], blocks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Seconds of the processor that each block took."""
    spent = []
    for block in blocks:
        begin = time.process_time()
        push(block)
        spent.append(time.process_time() - begin)
    return np.array(spent)


def main() -> None:
    """Prints a line for each size of block."""
    cl.threads(1)
    weights, rng = impulse(), np.random.default_rng(1)
    print("| frames a block | ours, of real time | pedalboard | ratio | ours: median, 99%, longest | played in |")
    print("|---|---|---|---|---|---|")
    for frames in map(int, sys.argv[1:] or ["512"]):
        blocks = list(rng.standard_normal((int(SECONDS * RATE / frames), frames)).astype(np.float32))
        ways = {"ours": ours, "theirs": theirs}
        best: dict[str, NDArray[np.float64]] = {}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                spent = times(way(weights), blocks)
                best[name] = spent if name not in best or spent.sum() < best[name].sum() else best[name]
        played = len(blocks) * frames / RATE
        speeds = {name: played / spent.sum() for name, spent in best.items()}
        middle, late, last = (1e3 * np.quantile(best["ours"], at) for at in (0.5, 0.99, 1))
        print(
            f"| {frames} | {speeds['ours']:.0f}× | {speeds['theirs']:.0f}× | {speeds['ours'] / speeds['theirs']:.2f} "
            f"| {middle:.3f}, {late:.3f}, {last:.3f} ms | {1e3 * frames / RATE:.1f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
