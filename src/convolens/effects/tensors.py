"""What effects need of torch besides `correlate`: kernels through which gradients flow to sigma, and a feedback loop.

torch is already imported by whoever made the tensor; this module takes it from there and never imports it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from convolens.arrays import is_tensor
from convolens.convolution import correlate
from convolens.convolution.product import Product, gaussian_product
from convolens.shapes import Boundary


def _torch() -> Any:
    return sys.modules["torch"]


def blur(image: Any, sigmas: tuple[Any, ...], radii: tuple[int, ...], boundary: Boundary) -> Any:
    """Gaussian blur of the leading axes, differentiable in the image and in every sigma that is a tensor."""
    torch, work = _torch(), image
    rgba = len(sigmas) == 2 and image.ndim == 3 and image.shape[2] == 4
    if rgba:
        work = torch.cat([work[..., :3] * work[..., 3:], work[..., 3:]], dim=2)
    work = _correlated(work, sigmas, radii, boundary)
    if rgba:
        opacity = work[..., 3:]
        work = torch.cat([work[..., :3] / torch.where(opacity > 0, opacity, 1), opacity], dim=2)
    return work


def _correlated(work: Any, sigmas: tuple[Any, ...], radii: tuple[int, ...], boundary: Boundary) -> Any:
    """The image convolved with one kernel of known lines; where a sigma has a gradient, line by line."""
    if not any(is_tensor(sigma) for sigma in sigmas):
        kernel = gaussian_product(tuple(map(float, sigmas)), radii, str(work.dtype).removeprefix("torch."))
        return correlate(work, kernel, "same", axes=tuple(range(len(radii))), boundary=boundary)
    for axis, (sigma, radius) in enumerate(zip(sigmas, radii, strict=True)):
        if radius > 0:
            work = correlate(work, gaussian(sigma, radius, work)[0], "same", axes=axis, boundary=boundary)
    return work


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


def gradients(image: Any, smoothing: tuple[float, float, float], boundary: Boundary) -> tuple[Any, Any]:
    """Smoothed along one axis, derived along the other: by the lines, so that a plain's gradient is exactly 0."""
    kind = np.float64 if image.dtype == _torch().float64 else np.float32
    smooth, derive = np.array(smoothing, kind), np.array([-1, 0, 1], kind)
    gx, gy = (
        correlate(image, Product(lines), "same", axes=(0, 1), boundary=boundary, method="separable").to(image.dtype)
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
