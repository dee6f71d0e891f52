"""What effects need of torch besides `correlate`: kernels through which gradients flow to sigma, and a feedback loop.

torch is already imported by whoever made the tensor; this module takes it from there and never imports it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from convolens.arrays import is_tensor
from convolens.convolution import convolve, correlate
from convolens.convolution.gaussian import derivative, hermite
from convolens.convolution.product import Product, gaussian_product
from convolens.effects.border import Border
from convolens.shapes import boundary_along


def _torch() -> Any:
    return sys.modules["torch"]


def blur(image: Any, sigmas: tuple[Any, ...], radii: tuple[int, ...], orders: tuple[int, ...], border: Border) -> Any:
    """Gaussian blur of the leading axes, differentiable in the image and in every sigma that is a tensor."""
    torch, work = _torch(), image
    rgba = len(sigmas) == 2 and image.ndim == 3 and image.shape[2] == 4 and not any(orders)
    if rgba:
        work = torch.cat([work[..., :3] * work[..., 3:], work[..., 3:]], dim=2)
    work = _convolved(work, sigmas, radii, orders, border)
    if rgba:
        opacity = work[..., 3:]
        work = torch.cat([work[..., :3] / torch.where(opacity > 0, opacity, 1), opacity], dim=2)
    return work


def _convolved(
    work: Any, sigmas: tuple[Any, ...], radii: tuple[int, ...], orders: tuple[int, ...], border: Border
) -> Any:
    """The image convolved with one kernel of known lines; where a sigma has a gradient, line by line.

    Beyond the border of one axis lies what the others were convolved to, which for a constant other than 0 is not that
    constant: it is then one kernel of all axes.
    """
    axes = tuple(range(len(radii)))
    options: dict[str, Any] = {"boundary": border.boundary, "fill_value": border.fill}
    lines = [_line(*one, work) for one in zip(sigmas, radii, orders, strict=True)]
    if not any(is_tensor(sigma) for sigma in sigmas):
        if any(orders):
            return convolve(work, Product(tuple(lines)), "same", axes=axes, **options)
        kernel = gaussian_product(tuple(map(float, sigmas)), radii, str(work.dtype).removeprefix("torch."))
        return correlate(work, kernel, "same", axes=axes, **options)
    if border.fill == 0 or "constant" not in str(border.boundary):
        for axis, (line, radius) in enumerate(zip(lines, radii, strict=True)):
            boundary = boundary_along(border.boundary, axis)
            work = convolve(work, line, "same", axes=axis, boundary=boundary) if radius > 0 else work
        return work
    whole = lines[0]
    for line in lines[1:]:
        whole = whole[..., None] * line
    return convolve(work, whole, "same", axes=axes, **options)


def _line(sigma: Any, radius: int, order: int, like: Any) -> Any:
    """The derivative's weights along an axis: an array, or of a sigma that is a tensor a tensor."""
    if is_tensor(sigma):
        torch = _torch()
        if radius == 0:
            return torch.ones(1, dtype=like.dtype, device=like.device)
        at = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
        return hermite(at / sigma, order) * gaussian(sigma, radius, like)[0] * (-1 / sigma) ** order
    dtype = np.float64 if like.dtype == _torch().float64 else np.float32
    return (derivative(float(sigma), radius, order) if radius > 0 else np.ones(1)).astype(dtype)


def gaussian(sigma: Any, radius: int, like: Any) -> tuple[Any, Any]:
    """The sampled Gaussian and its second derivative, of sum 1 and 0, in the dtype and on the device of `like`."""
    torch = _torch()
    at = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = weights / weights.sum()
    curvature = ((at / sigma) ** 2 - 1) / sigma**2 * weights
    return weights, curvature - curvature.sum() * weights


def laplacian_of_gaussian(sigmas: tuple[Any, ...], radii: tuple[int, ...], like: Any) -> Any:
    """The kernel of `effects.pictures.laplacian_of_gaussian`, differentiable in every sigma that is a tensor."""
    torch = _torch()
    (down, curved_down), (across, curved_across) = (
        gaussian(sigma, radius, like) for sigma, radius in zip(sigmas, radii, strict=True)
    )
    return torch.outer(curved_down, across) + torch.outer(down, curved_across)


def gradients(image: Any, smoothing: tuple[float, float, float], border: Border) -> tuple[Any, Any]:
    """Smoothed along one axis, derived along the other: by the lines, so that a plain's gradient is exactly 0."""
    kind = np.float64 if image.dtype == _torch().float64 else np.float32
    smooth, derive = np.array(smoothing, kind), np.array([-1, 0, 1], kind)
    gx, gy = (
        correlate(
            image,
            Product(lines),
            "same",
            axes=(0, 1),
            boundary=border.boundary,
            fill_value=border.fill,
            method="separable",
        ).to(image.dtype)
        for lines in ((smooth, derive), (derive, smooth))
    )
    return gx, gy


def magnitude(gx: Any, gy: Any) -> Any:
    """√(gx² + gy²), its gradient 0 rather than NaN where both are 0."""
    pairs = _torch().stack([gx, gy], dim=-1)  # along the last axis the norm takes a tenth of its time along the first
    return _torch().linalg.vector_norm(pairs, dim=-1)


def looped(x: Any, loop: int, feedback: float) -> Any:
    """Σ feedbackᵏ · x(t − k·loop) by doubling: (1 + g z)(1 + g² z²)(1 + g⁴ z⁴) … holds every power of g z."""
    while loop < len(x):
        delayed = _torch().cat([x.new_zeros([loop, *x.shape[1:]]), x[:-loop]])
        x = x + feedback * delayed
        loop, feedback = 2 * loop, feedback * feedback
    return x
