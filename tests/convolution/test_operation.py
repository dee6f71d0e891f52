import numpy as np
import pytest

import convolens as cl
from convolens.convolution.planner import METHODS


def by_definition(x, kernel, mode, boundary="constant", fill_value=0):
    """Sums over windows of numpy's own padding, in float64, complex128 or Python's unlimited integers."""
    exact = x.dtype.kind in "bui" and kernel.dtype.kind in "bui"
    wide = object if exact else np.result_type(x.dtype, kernel.dtype, np.float64)
    x, kernel = x.astype(wide), np.flip(kernel.astype(wide))
    options = {"constant_values": fill_value} if boundary == "constant" else {}
    padded = np.pad(x, [(k - 1, k - 1) for k in kernel.shape], boundary, **options)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    full = (windows * kernel).sum(axis=tuple(range(-kernel.ndim, 0)))
    starts = {"full": lambda k: 0, "same": lambda k: (k - 1) // 2, "valid": lambda k: k - 1}
    sizes = {"full": lambda n, k: n + k - 1, "same": lambda n, k: n, "valid": lambda n, k: n - k + 1}
    box = [(starts[mode](k), sizes[mode](n, k)) for n, k in zip(x.shape, kernel.shape, strict=True)]
    return full[tuple(slice(start, start + size) for start, size in box)]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_agrees_with_the_definition(method, mode):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(60, 47)), rng.normal(size=(4, 5))
    np.testing.assert_allclose(cl.convolve(x, kernel, mode, method=method), by_definition(x, kernel, mode), atol=1e-12)
