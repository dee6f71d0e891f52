"""Multirate: a wide Gaussian in two steps, whose cost falls with sigma.

Two Gaussians of width σ/√2 make one of width σ, and between them the signal is so smooth that every D-th sample will
do. So *decimate*: a Gaussian of σ/√2, computed at every D-th place only; then *interpolate*: from those samples a
Gaussian of σ/√2 at every place. The intermediate result is 1/D² of a picture. It errs by

    2 exp(-π²ρ²/2),  ρ = σ / D,

because a product of Gaussians is a Gaussian: Σⱼ D g(x - jD) g(jD - i), both of σ/√2, is the blur of width σ times the
samples, D apart, of a Gaussian of width σ/2, whose sum ripples by that much (Poisson's summation formula).

It is no rounding error but one that a call must allow: `Spec.tolerance`, against the infinite Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import empty
from convolens.convolution import costs
from convolens.convolution.gaussian import gaussian, gaussian_at, radius_within, rounded
from convolens.convolution.job import Estimate, Job, Solve
from convolens.convolution.resampling import Planes, Windows, filtered, planes, reads, resample
from convolens.convolution.spec import Shape, Spec
from convolens.planning import Cost
from convolens.shapes import Boundary, boundary_along, boundary_map

NAME = "multirate"
KEEPS_NONFINITE_LOCAL = False
TAKES_STEPS = False

_MIN_SPACING = 3  # by measurement: closer than that, one step is as fast


class _Axis(NamedTuple):
    """How one axis is blurred: to which width, and how many samples lie between two places of the first step."""

    sigma: float
    spacing: int  # 1 where one step does it
    tolerance: float


class Pass(NamedTuple):
    """Weighted means along one axis of an array of this shape, or along that and the next one."""

    shape: Shape
    axis: int
    windows: tuple[Windows, ...]
    last_before_interpolation: bool

    @property
    def outputs(self) -> Shape:
        """Shape of what comes out."""
        sizes = tuple(len(windows.first) for windows in self.windows)
        return (*self.shape[: self.axis], *sizes, *self.shape[self.axis + len(sizes) :])

    @property
    def planes(self) -> Planes:
        """The array as the core sees it."""
        return planes(self.shape, self.axis, self.windows)

    @property
    def amounts(self) -> tuple[float, ...]:
        """A call for each plane; products of windows that step on or filter, and of those that interpolate."""
        seen = self.planes
        products = [0, 0]
        for windows, count in zip((seen.down, seen.across), seen.products, strict=True):
            products[len(windows.weights) > 1] += count if any(windows is own for own in self.windows) else 0
        return float(seen.shape[0]), *map(float, products)


def refuses(spec: Spec) -> str | None:
    """Why it cannot do the problem, or None."""
    if spec.structure.sigmas is None:
        return "the kernel is not known to be a Gaussian"
    if spec.tolerance == 0:
        return "it errs by more than rounding, which only a tolerance allows"
    if spec.dtype.kind != "f":
        return "the numbers are not real"
    if spec.size == 0 or 0 in spec.shape:
        return "the signal or the result is empty"
    if spec.filled and not spec.zeros:
        return "the signal is extended by another constant than 0"
    if all(axis.spacing == 1 for axis in _axes(spec).values()):
        return "the Gaussian is too narrow, or the tolerance too small, to leave samples out"
    return None


def cost(spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
    """Passes over the signal and over what is left of it, each product rounded in each of the steps."""
    steps = passes(spec)
    memory = sum(prod(each.outputs) for each in steps[:-1]) * spec.dtype.itemsize
    rounding = sum(windows.weights.shape[1] for each in steps for windows in each.windows) * spec.epsilon
    error = spec.tolerance + spec.structure.truncation + rounding
    seconds = costs.multirate_seconds(spec, [each.amounts for each in steps])
    return Estimate(seconds, float(memory), error, rounds=True, by_lines=True)


def run(job: Job, solve: Solve) -> None:
    """Writes the result to `job.out`."""
    spec = job.spec
    steps = passes(spec)
    x: NDArray[Any] = np.ascontiguousarray(job.x, None if reads(spec) else spec.dtype)
    for each in steps[:-1]:
        smaller = empty(each.outputs, spec.dtype)
        resample(x, each.planes, smaller)
        x = smaller
        # Interpolation would spread a NaN further than the kernel reaches.
        if each.last_before_interpolation and spec.source.kind == "f" and not np.isfinite(x).all():
            return solve(job, local=True)
    return resample(x, steps[-1].planes, job.out)


@lru_cache(maxsize=64)
def passes(spec: Spec) -> tuple[Pass, ...]:
    """First all axes are decimated, two at once where they are neighbours; then one after another is interpolated.

    From the last axis to the first: columns are made many again while there are few rows.
    """
    axes = _axes(spec)
    steps = {number: _steps(spec, number, axis) for number, axis in axes.items()}
    found, shape, left = [], spec.shape, sorted(axes)
    while left:
        pair = left[-2:] if left[-2:] == [left[-1] - 1, left[-1]] else left[-1:]
        left = left[: -len(pair)]
        found.append(Pass(shape, pair[0], tuple(steps[axis][0] for axis in pair), not left))
        shape = found[-1].outputs
    for number in sorted(axes, reverse=True):
        for windows in steps[number][1:]:
            found.append(Pass(shape, number, (windows,), False))
            shape = found[-1].outputs
    return tuple(found)


def _axes(spec: Spec) -> dict[int, _Axis]:
    """How each axis is done; they share the tolerance, as their errors add up."""
    sigmas = spec.structure.sigmas or ()
    fraction = spec.tolerance / max(1, sum(sigma > 0 for sigma in sigmas))
    return {
        number: _Axis(sigma, spacing(sigma, fraction), fraction) for number, sigma in enumerate(sigmas) if sigma > 0
    }


def spacing(sigma: float, tolerance: float) -> int:
    """How many samples apart the places between the two steps may be; 1 where two steps do not pay.

    >>> spacing(20.0, 5e-5), spacing(2.0, 5e-5)
    (12, 1)
    """
    ripple = tolerance / 5  # the rest is for cutting two Gaussians, one of them known only at every spacing-th place
    closest = math.sqrt(2 * math.log(2 / ripple)) / math.pi
    found = int(sigma / closest)
    return found if found >= _MIN_SPACING else 1


def reach(spec: Spec, number: int) -> tuple[int, int]:
    """How far from an output samples count along an axis, and of what the place is a multiple that a part begins at.

    A part that begins there, with so many samples more at its ends, has outputs of the same bits as the whole.
    """
    axis = _axes(spec).get(number)
    if axis is None or axis.spacing == 1:
        return spec.kernel_shape[number] // 2, 1
    return 2 * radius_within(axis.sigma / math.sqrt(2), 0.25 * axis.tolerance) + axis.spacing, axis.spacing


def _steps(spec: Spec, number: int, axis: _Axis) -> tuple[Windows, ...]:
    size, before, after = spec.shape[number], spec.before[number], spec.after[number]
    radius, boundary = spec.kernel_shape[number] // 2, boundary_along(spec.boundary, number)
    if axis.spacing == 1:
        line = rounded(gaussian(axis.sigma, radius)[None], spec.dtype)[0]
        return (filtered(size, before, after, boundary, line),)
    return _decimated(size, spec.out[number], radius - before, axis, boundary, spec.dtype)


@lru_cache(maxsize=64)
def _decimated(
    size: int, outputs: int, start: int, axis: _Axis, boundary: Boundary, dtype: np.dtype[Any]
) -> tuple[Windows, Windows]:
    """Outputs around the samples from `start` on: to every `spacing`-th place, and from there to all."""
    step, half = axis.spacing, axis.sigma / math.sqrt(2)
    radius = radius_within(half, 0.25 * axis.tolerance)
    length = 2 * radius // step + 1
    begin = -((radius - np.arange(outputs)) // step)  # the first place within the radius of each output
    places = np.arange(begin[0], begin[-1] + length)
    first, last = start + step * int(places[0]) - radius, start + step * int(places[-1]) + radius
    padding = boundary_map(size, -first, last - size + 1, boundary)
    at = np.arange(len(places))
    decimate = _windows(padding, at * step, 0 * at, gaussian(half, radius)[None], dtype)
    distance = (begin[:step, None] + np.arange(length)) * step - np.arange(len(begin[:step]))[:, None]
    interpolate = _windows(at, begin - begin[0], np.arange(outputs) % step, gaussian_at(distance, half), dtype)
    return decimate, interpolate


def _windows(
    padding: NDArray[np.int64], first: NDArray[Any], phase: NDArray[Any], weights: NDArray[Any], dtype: np.dtype[Any]
) -> Windows:
    padding, first, phase = (np.ascontiguousarray(part, np.int64) for part in (padding, first, phase))
    return Windows(padding, first, phase, rounded(weights, dtype))
