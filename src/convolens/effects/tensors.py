"""The same filters in torch's own operations, so that gradients flow and tensors stay on their device.

torch is already imported by whoever made the tensor; this module takes it from there and never imports it.
"""

from __future__ import annotations

import sys
from typing import Any

from convolens.shapes import Boundary, boundary_map


def _torch() -> Any:
    return sys.modules["torch"]


def extend(x: Any, axis: int, reach: int, boundary: Boundary) -> Any:
    """`x` continued by `reach` samples at both ends of an axis; zeros for `constant`."""
    torch = _torch()
    source = torch.tensor(boundary_map(x.shape[axis], reach, reach, boundary).tolist(), device=x.device)
    extended = x.index_select(axis, source.clamp(min=0))
    outside = (source < 0).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return torch.where(outside, torch.zeros_like(extended), extended)


def correlate_axis(x: Any, weights: Any, axis: int, boundary: Boundary) -> Any:
    """Correlation along one axis, of x's size, with an odd number of weights (floats, or a tensor with gradients)."""
    torch = _torch()
    kernel = torch.as_tensor(weights, dtype=x.dtype, device=x.device)
    lines = extend(x, axis, len(kernel) // 2, boundary).movedim(axis, -1)
    result = torch.nn.functional.conv1d(lines.reshape(-1, 1, lines.shape[-1]), kernel[None, None])
    return result.reshape(*lines.shape[:-1], x.shape[axis]).movedim(-1, axis)


def blur(image: Any, sigmas: tuple[Any, ...], reaches: tuple[int, ...], boundary: Boundary) -> Any:
    """Gaussian blur of the leading axes, differentiable in the image and in every sigma that is a tensor."""
    torch = _torch()
    work = image if image.is_floating_point() else image.to(torch.float32)
    rgba = len(sigmas) == 2 and image.ndim == 3 and image.shape[2] == 4
    if rgba:
        work = torch.cat([work[..., :3] * work[..., 3:], work[..., 3:]], dim=2)
    for axis, (sigma, reach) in enumerate(zip(sigmas, reaches, strict=True)):
        if reach > 0:
            at = torch.arange(-reach, reach + 1, dtype=work.dtype, device=work.device)
            bell = torch.exp(-0.5 * (at / sigma) ** 2)
            work = correlate_axis(work, bell / bell.sum(), axis, boundary)
    if rgba:
        opacity = work[..., 3:]
        work = torch.cat([work[..., :3] / torch.where(opacity > 0, opacity, 1), opacity], dim=2)
    if image.is_floating_point():
        return work
    return work.round().clamp(0, torch.iinfo(image.dtype).max).to(image.dtype)


def laplacian_of_gaussian(image: Any, sigmas: tuple[Any, ...], reaches: tuple[int, ...], boundary: Boundary) -> Any:
    """Second derivatives of a Gaussian blur, added up; differentiable in the image and in every sigma."""
    torch, work = _torch(), in_floats(image)
    bells, curves = [], []
    for sigma, reach in zip(sigmas, reaches, strict=True):
        at = torch.arange(-reach, reach + 1, dtype=work.dtype, device=work.device)
        bell = torch.exp(-0.5 * (at / sigma) ** 2)
        bells.append(bell / bell.sum())
        curve = ((at / sigma) ** 2 - 1) / sigma**2 * bells[-1]
        curves.append(curve - curve.sum() * bells[-1])
    down = correlate_axis(correlate_axis(work, curves[0], 0, boundary), bells[1], 1, boundary)
    return down + correlate_axis(correlate_axis(work, bells[0], 0, boundary), curves[1], 1, boundary)


def in_floats(image: Any) -> Any:
    """The tensor itself, or integers as float32."""
    return image if image.is_floating_point() else image.float()


def magnitude(gx: Any, gy: Any) -> Any:
    """√(gx² + gy²), its gradient 0 rather than NaN where both are 0."""
    return _torch().linalg.vector_norm(_torch().stack([gx, gy]), dim=0)


def echo(x: Any, taps: Any) -> Any:
    """`effects.sounds.echo` of a tensor: shifted copies, added up, after it went round the loop."""
    torch = _torch()
    silence = x.new_zeros([taps.tail, *x.shape[1:]])
    out = torch.cat([taps.dry * x, silence])
    heard = _looped(torch.cat([x, silence]), taps.loop, taps.feedback) if taps.feedback else torch.cat([x, silence])
    for start, weight in zip(
        taps.at.tolist(), torch.as_tensor(taps.weights, dtype=x.dtype, device=x.device), strict=True
    ):
        out = out + weight * _later(heard, start)
    return out


def _looped(x: Any, loop: int, feedback: float) -> Any:
    """Σ feedbackᵏ · x(t − k·loop) by doubling: (1 + g z)(1 + g² z²)(1 + g⁴ z⁴) … holds every power of g z."""
    while loop < len(x):
        x = x + feedback * _later(x, loop)
        loop, feedback = 2 * loop, feedback * feedback
    return x


def _later(x: Any, frames: int) -> Any:
    return _torch().cat([x.new_zeros([frames, *x.shape[1:]]), x])[: len(x)]
