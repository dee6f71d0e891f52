"""The core by several threads at once without torch, for `make sanitize-threads`.

The thread sanitizer does not see into torch's OpenMP, and would take its barriers for races.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import convolens as cl

ROUNDS, THREADS = 20, 6
IMAGE = np.random.default_rng(0).random((300, 320), dtype=np.float32)
LARGE = np.ones((640, 640), np.float32)
LINE = np.random.default_rng(1).random(6000)


def work(at: int) -> None:
    """Kernels of every kind, tables of transforms that are made anew, pooled memory, other numbers of threads."""
    for number in range(ROUNDS):
        cl.threads(1 + (number + at) % 4)
        cl.sobel(LARGE)
        cl.canny(IMAGE)
        cl.blur(IMAGE, 0.5 + number % 7)
        cl.blur((IMAGE * 255).astype(np.uint8), 2.0)
        cl.convolve(IMAGE, np.ones((3, 5), np.float32))
        cl.convolve(IMAGE, IMAGE[:40, :40], method="overlap_save")
        cl.convolve(LINE, LINE[: 60 + 7 * number * (at + 1)], mode="same")
        cl.echo(LINE, 8_000, [0.02, 0.05], [0.5, 0.25], feedback=0.1)
        cl.correlate(LINE.astype(np.complex64), LINE[:5].astype(np.complex64))


if __name__ == "__main__":
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))  # which raises what one of them raised
    sys.exit("torch" in sys.modules)
