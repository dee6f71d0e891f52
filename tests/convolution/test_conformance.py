"""Every algorithm against the definition, over problems drawn at random; a newcomer to ALGORITHMS is tested here."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens.convolution.planner import ALGORITHMS
from convolens.errors import MethodError

BOUNDARIES = ["constant", "edge", "reflect", "symmetric", "wrap"]
FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]
INTEGERS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def padded_by(x, margins, boundaries, fill_value):
    """One axis after another, as each may have a boundary of its own."""
    for axis, (margin, boundary) in enumerate(zip(margins, boundaries, strict=True)):
        options = {"constant_values": fill_value} if boundary == "constant" else {}
        x = np.pad(x, [(margin, margin) if d == axis else (0, 0) for d in range(x.ndim)], boundary, **options)
    return x


def for_each(axes, value):
    return dict(zip(axes, value if isinstance(value, list) else [value] * len(axes), strict=True))


def by_definition(x, kernel, mode, *, axes, boundary, fill_value, origin=0, step=1):
    """Weighted windows of NumPy's own padding, added up in float64, complex128 or Python's unlimited integers."""
    exact = x.dtype.kind in "bui" and kernel.dtype.kind in "bui"
    wide = object if exact else np.result_type(x.dtype, kernel.dtype, np.float64)
    shape = [1] * x.ndim
    for axis, size in zip(axes, kernel.shape, strict=True):
        shape[axis] = size
    kernel = np.flip(kernel.transpose(np.argsort(axes)).reshape(shape)).astype(wide)
    x = x.astype(int).astype(wide) if exact else x.astype(wide)
    boundaries, origins, steps = (for_each(axes, value) for value in (boundary, origin, step))
    along = [boundaries.get(axis, "constant") for axis in range(x.ndim)]
    # Twice as far as a kernel reaches: origins move it.
    padded = padded_by(x, [2 * (k - 1) for k in shape], along, int(fill_value) if exact else fill_value)
    full = np.zeros([n + 3 * (k - 1) for n, k in zip(x.shape, shape, strict=True)], wide)
    for at in np.ndindex(*shape):
        window = padded[tuple(slice(i, i + n) for i, n in zip(at, full.shape, strict=True))]
        full = full + window * kernel[at]
    starts = {"full": lambda k: k - 1, "same": lambda k: k - 1 + (k - 1) // 2, "valid": lambda k: 2 * (k - 1)}
    sizes = {"full": lambda n, k: n + k - 1, "same": lambda n, k: n, "valid": lambda n, k: n - k + 1}
    box = [(starts[mode](k), sizes[mode](n, k)) for n, k in zip(x.shape, shape, strict=True)]
    begins = [start + origins.get(axis, 0) for axis, (start, _) in enumerate(box)]
    return full[
        tuple(
            slice(b, b + size, steps.get(axis, 1)) for axis, (b, (_, size)) in enumerate(zip(begins, box, strict=True))
        )
    ]


@dataclass
class Case:
    """Arguments of one call."""

    x: Any
    kernel: Any
    mode: str
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, **more):
        return cl.convolve(self.x, self.kernel, self.mode, **self.options, **more)

    def expected(self):
        return by_definition(self.x, self.kernel, self.mode, **self.options)


@st.composite
def cases(draw, longest=12, widest_kernel=7):
    ndim = draw(st.sampled_from([1, 1, 2, 2, 3, 4, 5]))
    longest = longest if ndim < 3 else 4
    axes = draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))]
    kernel_shape = [draw(st.integers(1, widest_kernel if ndim < 3 else 3)) for _ in axes]
    shape = [draw(st.integers(1 if draw(st.integers(0, 9)) else 0, longest)) for _ in range(ndim)]
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    boundary = "constant" if mode == "valid" else draw(st.sampled_from(BOUNDARIES))
    if mode != "valid" and draw(st.integers(0, 3)) == 0:
        boundary = [draw(st.sampled_from(BOUNDARIES)) for _ in axes]
    sizes_of_kernel = dict(zip(axes, kernel_shape, strict=True))
    for axis in range(ndim):
        if mode == "valid" or (boundary != "constant" and shape[axis] == 0):
            shape[axis] = max(shape[axis], sizes_of_kernel.get(axis, 0), 1)
    kind = draw(st.sampled_from([FLOATS, INTEGERS]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = strided(draw, random(rng, shape, draw(st.sampled_from(kind))))
    kernel = random_kernel(draw, rng, kernel_shape, draw(st.sampled_from(kind)))
    fill_value = draw(st.sampled_from([0, 1, 3])) if "constant" in boundary and mode != "valid" else 0
    options = {"axes": tuple(axes), "boundary": boundary, "fill_value": fill_value}
    if draw(st.integers(0, 2)) == 0:
        options["step"] = [draw(st.integers(1, 5)) for _ in axes]
    if mode == "same" and draw(st.integers(0, 2)) == 0:
        options["origin"] = [draw(st.integers(-((k - 1) // 2), k // 2)) for k in kernel_shape]
    return Case(x, kernel, mode, options)


def random(rng, shape, dtype):
    values = rng.integers(-9, 9, shape) if np.dtype(dtype).kind in "iu" else rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return (abs(values) if np.dtype(dtype).kind == "u" else values).astype(dtype)


def random_kernel(draw, rng, shape, dtype):
    """Dense, mostly zero, or an outer product."""
    kernel = random(rng, shape, dtype)
    form = draw(st.sampled_from(["dense", "sparse", "product"]))
    if form == "sparse":
        kernel = kernel * (rng.random(shape) < 0.2).astype(dtype)
    if form == "product" and np.dtype(dtype).kind in "fi":
        kernel = np.ones(shape, dtype)
        for axis, size in enumerate(shape):
            line = rng.integers(-3, 4, size).astype(dtype)
            kernel = kernel * line.reshape([-1 if d == axis else 1 for d in range(len(shape))])
    return strided(draw, kernel.astype(dtype))


def strided(draw, array):
    """The same values, laid out in memory in another way."""
    way = draw(st.sampled_from(["plain", "plain", "backwards", "every second", "transposed", "foreign"]))
    if way == "backwards":
        return np.flip(np.flip(array).copy())
    if way == "every second":
        roomy = np.zeros([2 * n for n in array.shape], array.dtype)
        view = roomy[tuple(slice(None, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    if way == "transposed":
        return np.asfortranarray(array)
    return array.astype(array.dtype.newbyteorder()) if way == "foreign" else array


def check(case):
    """The automatic choice and every algorithm that can do the case, within the error that each promises."""
    expected = case.expected()
    for method in ("auto", *(algorithm.NAME for algorithm in ALGORITHMS)):
        try:
            plan = cl.plan(case.x, case.kernel, case.mode, **case.options, method=method)
        except MethodError:
            continue
        result = case.run(method=method)
        assert result.shape == expected.shape, method
        if expected.dtype == object:
            assert result.dtype == np.int64
            assert (result == expected).all(), method
            continue
        assert result.dtype == np.result_type(case.x, case.kernel).newbyteorder("="), method
        largest = max(abs(np.ravel(case.x)).max(initial=0), abs(case.options["fill_value"]))
        scale = float(largest) * float(abs(case.kernel).astype(float).sum())
        rounding = np.finfo(result.dtype).eps if result.dtype == np.float16 else 0  # to the result's own dtype
        assert abs(result - expected).max(initial=0) <= (plan.cost.error + rounding) * scale + 1e-300, method


@given(cases())
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
def test_every_algorithm_agrees_with_the_definition(case):
    check(case)


@pytest.mark.slow
@given(cases(longest=40, widest_kernel=50))
@settings(max_examples=20_000, suppress_health_check=list(HealthCheck))
def test_every_algorithm_agrees_with_the_definition_at_length(case):
    check(case)
