from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def threads() -> int: ...
def share_threads() -> str: ...
def set_threads(count: int) -> None: ...
def instruction_set() -> str: ...
def instruction_sets() -> str: ...
def use_instruction_set(name: str) -> bool: ...
def checks_extents() -> bool: ...
def pooled(size: int) -> NDArray[np.uint8]: ...
def set_pool_limit(size: int) -> int: ...
def pooled_bytes() -> int: ...
def expect_as_much_again() -> None: ...
def sobel(
    image: NDArray[np.generic],
    row_map: NDArray[np.int64],
    column_map: NDArray[np.int64],
    fill: float,
    side: float,
    middle: float,
    first: NDArray[np.generic],
    second: NDArray[np.generic] | None = None,
) -> None: ...

class Maps:
    """Where each position of every padded axis comes from (-1: the fill value); checked and analysed once."""

    def __init__(self, maps: list[NDArray[np.int64]]) -> None: ...

def correlate_direct(
    x: NDArray[np.generic],
    kernel: NDArray[np.generic],
    out: NDArray[np.generic],
    maps: Maps,
    fill: complex = 0,
    bound: float = ...,
) -> None:
    """`out[i] = Σ_k kernel[k] · X[maps[0][i0 + k0], …]`, for 1 to 8 axes.

    x may have any strides (multiples of its item size, aligned) and be read-only; the kernel is C-contiguous and of
    out's dtype; out is float32, float64, complex64, complex128 or int64. x is of out's dtype, or an integer up to 32
    bits (int64 for an int64 out), or float32 for a float64 out. For an int64 out, `bound` is at least
    Σ|kernel| · max(|x|, |fill|): it chooses the scalars in which the sum is exact.
    """

def correlate_sparse(
    x: NDArray[np.generic],
    offsets: NDArray[np.int64],
    weights: NDArray[np.generic],
    out: NDArray[np.generic],
    maps: Maps,
    fill: complex = 0,
    bound: float = ...,
) -> None:
    """`out[i] = Σ_t weights[t] · X[maps[0][i0 + offsets[t, 0]], …]`; the rest as in `correlate_direct`."""

# The layer kernels take addresses, sizes and steps; convolens/layers/core.py makes them.
def fingerprint(address: int, words: int) -> int: ...
def fold_norm(norm: tuple[int, ...], epsilon: float, count: int, scale: int, bias: int) -> None: ...
def winograd_weights_size(filters: int, channels: int, tile: int) -> int: ...
def winograd_weights(weights: tuple[int, ...], tile: int, transformed: int) -> None: ...
def winograd(
    x: tuple[int, ...],
    weights: tuple[int, ...],
    transformed: int,
    tile: int,
    pad_top: int,
    pad_left: int,
    edge: bool,
    pool: bool,
    epilogue: tuple[int, int, int, int],
    y: tuple[int, ...],
) -> None: ...
def winograd_weight_gradient(
    x: tuple[int, ...], g: tuple[int, ...], pad_top: int, pad_left: int, gradient: int
) -> None: ...
def im2col_weights_size(weights: tuple[int, ...]) -> int: ...
def im2col_weights(weights: tuple[int, ...], packed: int) -> None: ...
def im2col(
    x: tuple[int, ...],
    weights: tuple[int, ...],
    packed: int,
    window: tuple[int, ...],
    epilogue: tuple[int, int, int, int],
    y: tuple[int, ...],
) -> None: ...
def weight_gradient(
    x: tuple[int, ...], g: tuple[int, ...], rows: int, columns: int, window: tuple[int, ...], gradient: int
) -> None: ...
def depthwise_weights_size(weights: tuple[int, ...]) -> int: ...
def depthwise_weights(weights: tuple[int, ...], packed: int) -> None: ...
def depthwise(
    x: tuple[int, ...],
    weights: tuple[int, ...],
    packed: int,
    window: tuple[int, ...],
    epilogue: tuple[int, int, int, int],
    y: tuple[int, ...],
) -> None: ...
def bfloat16_weights_size(weights: tuple[int, ...], parts: int) -> int: ...
def bfloat16_weights(weights: tuple[int, ...], parts: int, packed: int) -> None: ...
def bfloat16_convolution(
    x: tuple[int, ...],
    weights: tuple[int, ...],
    packed: int,
    parts: int,
    window: tuple[int, ...],
    epilogue: tuple[int, int, int, int],
    y: tuple[int, ...],
) -> None: ...
def int8_weights_size(weights: tuple[int, ...]) -> int: ...
def int8_weights(weights: tuple[int, ...], packed: int) -> None: ...
def int8_convolution(
    x: tuple[int, ...],
    weights: tuple[int, ...],
    packed: int,
    step: float,
    lowest: int,
    window: tuple[int, ...],
    epilogue: tuple[int, int, int, int],
    y: tuple[int, ...],
) -> None: ...

class Program:
    def __init__(self) -> None: ...
    def run(self, addresses: list[int]) -> bool: ...
    def in_groups(self, steps: int, pictures: int, batch: int, buffer: int) -> None: ...

def pool(
    x: tuple[int, ...], rows: int, columns: int, window: tuple[int, ...], y: tuple[int, ...], argmax: int
) -> None: ...
def pool_gradient(g: tuple[int, ...], argmax: int, rows: int, columns: int, gradient: tuple[int, ...]) -> None: ...
def average(x: tuple[int, ...], side: int, y: tuple[int, ...]) -> None: ...
def average_gradient(g: tuple[int, ...], side: int, gradient: tuple[int, ...]) -> None: ...
def norm(
    x: int,
    places: int,
    channels: int,
    norm: tuple[int, ...],
    epsilon: float,
    residual: int,
    relu: bool,
    y: int,
    mask: int,
) -> None: ...
def norm_gradient(
    g: int,
    x: int,
    places: int,
    channels: int,
    mask: int,
    norm: tuple[int, ...],
    epsilon: float,
    to: tuple[int, ...],
) -> None: ...
def relu_mask(y: int, mask: int, count: int) -> None: ...
def apply_mask(g: int, mask: int, count: int) -> None: ...
def multiply_outer(x: NDArray[np.generic], weights: NDArray[np.generic], out: NDArray[np.generic]) -> None:
    """`out = x * weights`, axes of length 1 broadcast; float, complex or int64, all of one dtype."""

class Spectrum:
    """The transform of a kernel with more than one weight along at least one axis, for blocks of given sizes.

    `sizes` has an entry for each such axis, or the rows and columns that the only one is folded into: products of 2, 3
    and 5, the last two multiples of 16, with room for the kernel.
    """

    def __init__(self, kernel: NDArray[np.generic], sizes: list[int]) -> None: ...
    def correlate(self, x: NDArray[np.generic], out: NDArray[np.generic], maps: Maps, fill: complex = 0) -> list[int]:
        """`correlate_direct` by blocks; integers through float64, rounded.

        Returns the numbers of the tasks in whose outputs there are NaN or infinities: for real numbers a task is two
        blocks one after another, counted with the kernel's axes fastest; for complex ones it is one.
        """

class LineStream:
    """A stream of channels x frames under a line of weights, in block after block.

    `sizes` are those of the blocks whose spectra meet later weights: powers of two of at least 256, each a multiple of
    the one before and less than the weights. With size P the weights from the P-th on are met, up to the next size. The
    weights before the first size, or all of them, are summed by the definition. `done`: samples that are said to have
    come before, which are zeros; only where blocks lie depends on it.
    """

    def __init__(self, weights: NDArray[np.generic], sizes: Sequence[int], channels: int, done: int = 0) -> None: ...
    def push(self, x: NDArray[np.generic], out: NDArray[np.generic]) -> None:
        """`out[c, i] = Σ_k weights[k] · x[c, i - k]`, the same bits however x is cut; RuntimeError: two threads."""

    def copy(self) -> LineStream: ...
    def past(self) -> NDArray[np.generic]:
        """The latest samples of each channel, as many as can matter."""

    @property
    def done(self) -> int: ...

def correlate_separable(
    x: NDArray[np.generic],
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    out: NDArray[np.generic],
    maps: Maps,
    axes: tuple[int, int],
    fill: complex = 0,
    bound: float = ...,
) -> None:
    """`correlate_direct` with the kernel Σ_q first[q] ⊗ second[q], at most 16 terms, in one sweep over memory.

    `first` (rank, weights) lies along axes[0], `second` along axes[1] > axes[0]; axes after the second must be
    contiguous in x and out and hold at most 4096 scalars together. `bound` is at least
    Σ_q Σ|first[q]| · Σ|second[q]| · max(|x|, |fill|).
    """

Windows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.generic]]

def resample(image: NDArray[np.generic], down: Windows, across: Windows, out: NDArray[np.generic]) -> None:
    """Separable weighted means: `out[i, j] = Σ_k Σ_l down[i, k] · across[j, l] · image[…]`, for each channel.

    An axis is `(map, first, phase, weights)`: output i sums `weights[phase[i]]` times the padded samples from
    `first[i]` on, padded sample p being source sample `map[p]`, or 0 where that is -1. Weights are float64 for float64
    pictures, else float32. image and out are `(rows, columns, channels)` of uint8, uint16, float32 or float64.
    """

def nms(
    scores: NDArray[np.float32],
    boxes: NDArray[np.float32],
    threshold: float,
    iou: float,
    sigma: float,
    kept: NDArray[np.int64],
    kept_scores: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Of each picture and class the boxes that stay, best first.

    `scores` is `(pictures, boxes, classes)`, `boxes` `(pictures, boxes, 4)` corners. Scores above `threshold` count,
    the best `top_k` of each class. With `sigma` 0 a box goes where a better one of its class overlaps it by more than
    `iou`; with `sigma` above 0 its score fades instead. Written are `kept` and `kept_scores`
    `(pictures, classes, top_k)`, of which the first `counts` `(pictures, classes)` hold.
    """
