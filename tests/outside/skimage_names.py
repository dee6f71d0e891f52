"""scikit-image's names for ours: names, and its units (white is 1, an edge's weights sum to 1).

What ours has no word for goes to scikit-image and is counted as such: filters along one axis of a mask, other edge
weights, volumes of edges, opacity's place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage import feature, filters
from skimage._shared.utils import _supported_float_type
from skimage.util import img_as_float

import convolens as cl
from tests.outside.calls import counted, peer
from tests.outside.scipy_names import boundary

_STEPS = {"sobel": 4, "scharr": 16, "prewitt": 3}
_theirs = {name: getattr(filters, name) for name in ("gaussian", "unsharp_mask", "difference_of_gaussians")}
_theirs |= {name + end: getattr(filters, name + end) for name in _STEPS for end in ("", "_h", "_v")}
_theirs["canny"] = feature.canny


def _floats(image: Any, preserve_range: bool = False) -> Any:
    image = np.asarray(image)
    image = image if preserve_range or image.dtype.kind == "f" else img_as_float(image)
    return image.astype(_supported_float_type(image.dtype), copy=False)


def gaussian(
    image, sigma=1.0, *, mode="nearest", cval=0, preserve_range=False, truncate=4.0, channel_axis=None, out=None
):
    pixels = _floats(image, preserve_range)
    if channel_axis is not None:
        pixels = np.moveaxis(pixels, channel_axis, -1)
    axes = pixels.ndim - (channel_axis is not None)
    sigmas = list(sigma) if np.ndim(sigma) else [sigma] * axes
    if channel_axis is not None and pixels.shape[-1] == 4:  # scikit-image knows no opacity
        planes = [_blurred(pixels[..., n], sigmas, mode, cval, truncate) for n in range(4)]
        result = np.stack(planes, axis=-1)
    else:
        result = _blurred(pixels, sigmas, mode, cval, truncate)
    result = result if channel_axis is None else np.moveaxis(result, -1, channel_axis)
    if out is None:
        return result
    if out.dtype.kind != "f":
        raise ValueError(f"dtype of `out` must be float, got {out.dtype}")
    out[...] = result
    return out


def _blurred(pixels: Any, sigmas: Any, mode: Any, cval: Any, truncate: Any) -> Any:
    if len(sigmas) > pixels.ndim:
        sigmas = sigmas[: pixels.ndim]
    return cl.blur(pixels, sigmas, boundary=boundary(mode), fill_value=cval, truncate=truncate)


def difference_of_gaussians(
    image, low_sigma, high_sigma=None, *, mode="nearest", cval=0, channel_axis=None, truncate=4.0
):
    pixels = img_as_float(image)
    colors = channel_axis is not None
    pixels = np.moveaxis(pixels, channel_axis, -1) if colors else pixels
    if pixels.ndim - colors != 2:
        return peer(
            _theirs["difference_of_gaussians"], "difference_of_gaussians", image, low_sigma, high_sigma, mode=mode,
            cval=cval, channel_axis=channel_axis, truncate=truncate,
        )  # fmt: skip
    result = cl.difference_of_gaussians(
        pixels, low_sigma, high_sigma, boundary=boundary(mode), fill_value=cval, truncate=truncate
    )
    return np.moveaxis(result, -1, channel_axis) if colors else result


def _edges(name: str) -> Any:
    def magnitude(image, mask=None, *, axis=None, mode="reflect", cval=0.0):
        if axis is not None or np.ndim(image) != 2:
            return peer(_theirs[name], name, image, mask, axis=axis, mode=mode, cval=cval)
        found = getattr(cl, name)(_floats(image), boundary=boundary(mode), fill_value=cval)
        return _masked(found / (_STEPS[name] * np.sqrt(2, dtype=found.dtype)), mask)

    return magnitude


def _gradient(name: str, end: str) -> Any:
    def gradient(image, mask=None):
        kernel = np.asarray(cl.kernel(f"{name}-{'y' if end == '_h' else 'x'}"))
        pixels = _floats(image)
        found = cl.convolve(pixels, kernel.astype(pixels.dtype), "same", boundary="symmetric") / _STEPS[name]
        return _masked(found, mask)

    return gradient


def _masked(result: Any, mask: Any) -> Any:
    if mask is None:
        return result
    from skimage.filters.edges import _mask_filter_result

    return _mask_filter_result(result, mask)


def unsharp_mask(image, radius=1.0, amount=1.0, preserve_range=False, *, channel_axis=None):
    pixels = _floats(image, preserve_range)
    if channel_axis is not None:
        pixels = np.moveaxis(pixels, channel_axis, -1)
    sigmas = [radius] * (pixels.ndim - (channel_axis is not None))
    if channel_axis is None:
        result = cl.sharpen(pixels, sigmas, amount=amount)
    else:  # of four channels the last is no opacity
        planes = [cl.sharpen(pixels[..., n], sigmas, amount=amount) for n in range(pixels.shape[-1])]
        result = np.moveaxis(np.stack(planes, axis=-1), -1, channel_axis)
    return result if preserve_range else result.clip(-1.0 if (pixels < 0).any() else 0.0, 1.0)


def canny(
    image, sigma=1.0, low_threshold=None, high_threshold=None, mask=None, use_quantiles=False, *, mode="constant",
    cval=0.0,
):  # fmt: skip
    image = np.asarray(image)
    if cval:
        return peer(_theirs["canny"], "canny", image, sigma, low_threshold, high_threshold, mask, use_quantiles,
                    mode=mode, cval=cval)  # fmt: skip
    white = np.iinfo(image.dtype).max if image.dtype.kind in "ui" and not use_quantiles else 1
    options = {"low": low_threshold, "high": high_threshold}
    options = {name: value / white for name, value in options.items() if value is not None}
    if mask is None and mode == "constant":  # which is not black to scikit-image, but counts for nothing
        mask = np.ones(image.shape, bool)
    return cl.canny(image, sigma, **options, mask=mask, quantiles=use_quantiles, boundary=boundary(mode))


def take_over() -> None:
    """Puts ours in the place of scikit-image's."""
    ours = {"gaussian": gaussian, "unsharp_mask": unsharp_mask, "difference_of_gaussians": difference_of_gaussians}
    ours |= {name: _edges(name) for name in _STEPS}
    ours |= {name + end: _gradient(name, end) for name in _STEPS for end in ("_h", "_v")}
    for name, function in ours.items():
        setattr(filters, name, counted(function, name))
    feature.canny = counted(canny, "canny")
