"""SciPy's names for ours: arguments by other names, and ndimage's dtypes of results. Nothing is left to SciPy.

With `OUTSIDE_CONVENTIONS` two of its conventions are brought over as well, which differ from ours: correlation
conjugates the kernel, and `ndimage.convolve` lays an even kernel's weight K/2 over a sample, where NumPy and ours lay
(K-1)//2.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import convolens as cl
from tests.outside.calls import counted

CONVENTIONS = bool(os.environ.get("OUTSIDE_CONVENTIONS"))
_BOUNDARIES = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge", "constant": "constant",
    "grid-constant": "constant", "wrap": "wrap", "grid-wrap": "wrap", "fill": "constant", "symm": "symmetric",
}  # fmt: skip


def boundary(mode: Any) -> Any:
    """Ours, of one mode or one for each axis."""
    return _BOUNDARIES.get(mode, mode) if isinstance(mode, str) else [_BOUNDARIES.get(one, one) for one in mode]


def _correlated(kernel: Any) -> Any:
    return np.conj(kernel) if CONVENTIONS and np.iscomplexobj(kernel) else kernel


def _placed(weights: Any, origin: Any) -> Any:
    if not CONVENTIONS:
        return origin
    sizes = np.shape(weights)
    each = origin if np.ndim(origin) else [origin] * len(sizes)
    return [int(one) + (size % 2 == 0) for one, size in zip(each, sizes, strict=True)]


def convolve(in1, in2, mode="full", method="auto"):
    return cl.convolve(in1, in2, mode, method=method)


def correlate(in1, in2, mode="full", method="auto"):
    return cl.correlate(in1, _correlated(in2), mode, method=method)


def fftconvolve(in1, in2, mode="full", axes=None):
    return cl.convolve(in1, in2, mode, axes=axes)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    return cl.convolve(in1, in2, mode, boundary=_BOUNDARIES.get(boundary, boundary), fill_value=fillvalue)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    return cl.correlate(in1, _correlated(in2), mode, boundary=_BOUNDARIES.get(boundary, boundary), fill_value=fillvalue)


def _given(result: Any, like: Any, output: Any) -> Any:
    """A result as ndimage returns it: in the input's dtype, another one, or an array that is there."""
    if isinstance(output, np.ndarray):
        output[...] = result
        return output
    return np.asarray(result).astype(np.asarray(like).dtype if output is None else output, copy=False)


def _brought(name: str, weights: Any, origin: Any) -> Any:
    return (weights, _placed(weights, origin)) if name == "convolve" else (_correlated(weights), origin)


def _filter(name: str) -> Any:
    def filtered(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):  # noqa: A002
        weights, origin = _brought(name, weights, origin)
        result = getattr(cl, name)(
            input, weights, "same", boundary=boundary(mode), fill_value=cval, origin=origin, axes=axes
        )
        return _given(result, input, output)

    return filtered


def _filter1d(name: str) -> Any:
    def filtered(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):  # noqa: A002
        weights, origin = _brought(name, weights, origin)
        result = getattr(cl, name)(
            input, weights, "same", boundary=boundary(mode), fill_value=cval, origin=origin, axes=axis
        )
        return _given(result, input, output)

    return filtered


def gaussian_filter(
    input,  # noqa: A002
    sigma,
    order=0,
    output=None,
    mode="reflect",
    cval=0.0,
    truncate=4.0,
    *,
    radius=None,
    axes=None,
):
    if axes is not None:
        raise NotImplementedError("cl.blur has no axes")
    picture = np.asarray(input)
    sigmas = sigma if np.ndim(sigma) else [sigma] * picture.ndim
    options = {"radius": radius} if radius is not None else {"truncate": truncate}
    result = cl.blur(picture, list(sigmas), order=order, boundary=boundary(mode), fill_value=cval, **options)
    return _given(result, picture, output)


SIGNAL = {
    "convolve": convolve, "correlate": correlate, "fftconvolve": fftconvolve, "oaconvolve": fftconvolve,
    "convolve2d": convolve2d, "correlate2d": correlate2d,
}  # fmt: skip
NDIMAGE = {
    "convolve": _filter("convolve"), "correlate": _filter("correlate"), "convolve1d": _filter1d("convolve"),
    "correlate1d": _filter1d("correlate"), "gaussian_filter": gaussian_filter,
}  # fmt: skip


def take_over(names: dict[str, Any], module: Any) -> None:
    """Puts ours in the place of the module's; SciPy's tests look its functions up in a table of their backends."""
    from scipy._lib._array_api import xp_capabilities_table

    for name, ours in names.items():
        call = counted(ours, name)
        xp_capabilities_table[call] = xp_capabilities_table[getattr(module, name)]
        setattr(module, name, call)
