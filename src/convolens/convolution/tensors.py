"""Torch tensors: the same problem, the same algorithms, and autograd by the adjoints of `gradients.py`.

A tensor on the CPU shares its memory with a NumPy array, so the planner serves it as it is. On another device the
work is torch's own (`on_device.py`). This module is imported only once a tensor has come in, so torch is loaded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convolens.arrays import as_array, is_tensor, need_dense, need_numbers
from convolens.convolution import gradients, on_device
from convolens.convolution.arrange import Arrangement, Asked, arrange, as_kernel
from convolens.convolution.planner import LOCAL
from convolens.convolution.product import Product
from convolens.convolution.spec import Shape, Window, result_shape
from convolens.convolution.windows import windows
from convolens.errors import DeviceError, DtypeError

# The name under which torch's own operators can be forced on a CPU tensor.
TORCH = "torch"


def apply(x: Tensor, kernel: Tensor | Product, asked: Asked, method: str) -> Tensor:
    """`convolve` or `correlate` of tensors, differentiable twice and more."""
    arranged = arrange(tuple(x.shape), tuple(kernel.shape), *asked)
    if isinstance(kernel, Product):  # of lines without gradients, whose array need not be formed
        return _Windows.apply(x, arranged.canonical(kernel, flip=asked.flip), arranged.window, method)  # type: ignore[no-any-return, no-untyped-call]
    return _Windows.apply(x, _canonical(arranged, kernel, flip=asked.flip), arranged.window, method)  # type: ignore[no-any-return, no-untyped-call]


def convolve_gradients(x: Tensor, kernel: Tensor, upstream: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """The explicit adjoints for tensors, the very ones that autograd runs."""
    arranged = arrange(tuple(x.shape), tuple(kernel.shape), *asked)
    arranged.check_upstream(tuple(x.shape), tuple(upstream.shape))
    kernel = _canonical(arranged, kernel, flip=True)
    in_signal, in_kernel = gradients.both(_BACKEND, x, kernel, upstream, arranged.window)
    ordered = in_kernel.reshape(arranged.ordered)
    inverse = sorted(range(len(arranged.order)), key=arranged.order.__getitem__)
    return in_signal, ordered.flip(tuple(range(ordered.ndim))).permute(inverse)


def as_tensors(x: Any, kernel: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors on one device; what is no tensor goes to the other's.

    Raises:
        DeviceError: tensors on different devices.
        DtypeError: not numbers.
    """
    for one in (x, kernel):
        if is_tensor(one):
            need_dense(one, "tensor")
    if not is_tensor(x):
        as_array(x, "x")  # names x, where as_kernel would name the kernel
        x = torch.as_tensor(_copied_for_torch(as_kernel(x, as_numpy(kernel).dtype)), device=kernel.device)
    if not is_tensor(kernel):
        like = as_numpy(x[:0] if x.ndim else x).dtype
        kernel = torch.as_tensor(_copied_for_torch(as_kernel(kernel, like)), device=x.device)
    if x.device != kernel.device:
        raise DeviceError(f"kernel: need it on x's device {x.device}, got {kernel.device}; move it with .to(x.device)")
    return _signed(x), _signed(kernel)


def _signed(a: Tensor) -> Tensor:
    """Whole numbers that torch hardly computes with as those that hold them."""
    return a.to(torch.int64) if a.dtype in (torch.uint16, torch.uint32, torch.uint64) else a


def _copied_for_torch(a: NDArray[Any]) -> NDArray[Any]:
    """A copy that torch can take: it knows neither foreign byte orders nor negative strides, nor wider numbers."""
    native = a.dtype.newbyteorder("=")
    if native in (np.longdouble, np.clongdouble) and native.itemsize > 8 * (1 + (native.kind == "c")):
        raise DtypeError(f"dtype: need at most float64 or complex128, got {native}; convert with astype")
    return np.array(a, native, order="C")


def as_numpy(a: Any) -> Any:
    """A tensor's values as a NumPy array, sharing memory where it can; anything else as it is."""
    if not is_tensor(a):
        return a
    need_numbers(a, "tensor")
    a = a.detach().cpu().resolve_conj().resolve_neg()
    return (a.float() if a.dtype == torch.bfloat16 else a).numpy()


def _canonical(arranged: Arrangement, kernel: Tensor, *, flip: bool) -> Tensor:
    ordered = kernel.permute(arranged.order)
    return (ordered.flip(tuple(range(ordered.ndim))) if flip else ordered).reshape(arranged.sizes)


class _Windows(torch.autograd.Function):
    """The canonical form. Its gradients are of the same form, so that they can be differentiated too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor | Product, window: Window, method: str) -> Tensor:
        ctx.product = kernel if isinstance(kernel, Product) else None
        ctx.save_for_backward(*(a for a in (x, kernel) if isinstance(a, Tensor)))
        ctx.window, ctx.method = window, method
        return _compute(x, kernel, window, method)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, kernel = (*ctx.saved_tensors, ctx.product)[:2]
        backend = _TorchBackend(TORCH if ctx.method == TORCH else "auto")
        wanted, window = ctx.needs_input_grad, ctx.window
        return (
            gradients.gradient_in_signal(backend, x, kernel, upstream[0], window) if wanted[0] else None,
            gradients.gradient_in_kernel(backend, x, kernel, upstream[0], window) if wanted[1] else None,
            None,
            None,
        )


def _compute(x: Tensor, kernel: Tensor | Product, window: Window, method: str) -> Tensor:
    if isinstance(kernel, Product):
        return _compute_product(x, kernel, window, method)
    integers = not (x.is_floating_point() or x.is_complex() or kernel.is_floating_point() or kernel.is_complex())
    if (x.device.type == "cpu" and method != TORCH) or integers:
        result = torch.from_numpy(windows(as_numpy(x), as_numpy(kernel), window, method)).to(x.device)
        half = torch.bfloat16 in (x.dtype, kernel.dtype) and not result.is_complex()
        return result.to(torch.promote_types(x.dtype, kernel.dtype)) if half else result
    return on_device.windows(x, kernel, window, local=method == LOCAL)


def _compute_product(x: Tensor, kernel: Product, window: Window, method: str) -> Tensor:
    """The canonical form by the planner, elsewhere than on the CPU line by line.

    A boundary along one axis commutes with lines along others.
    """
    if x.device.type == "cpu" and method != TORCH:
        return torch.from_numpy(windows(as_numpy(x), kernel, window, method))
    for axis, line in enumerate(kernel.lines):
        along = torch.tensor(line.copy(), device=x.device).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
        before, after = (
            tuple(n if d == axis else 0 for d, n in enumerate(side)) for side in (window.before, window.after)
        )
        step = tuple(n if d == axis else 1 for d, n in enumerate(window.step))
        x = on_device.windows(x, along, replace(window, before=before, after=after, step=step))
    return x


class _TorchBackend:
    """`gradients.Backend` for tensors."""

    def __init__(self, method: str = "auto") -> None:
        self.method = method

    def windows(self, x: Tensor, kernel: Tensor, window: Window) -> Tensor:
        if 0 in kernel.shape:
            shape = result_shape(tuple(x.shape), tuple(kernel.shape), window.before, window.after)
            return x.new_zeros(shape, dtype=torch.promote_types(x.dtype, kernel.dtype))
        return _Windows.apply(x, kernel, window, self.method)  # type: ignore[no-any-return, no-untyped-call]

    def flip(self, a: Tensor) -> Tensor:
        return a.flip(tuple(range(a.ndim)))

    def conj(self, a: Tensor) -> Tensor:
        return a.conj()

    def fold(self, a: Tensor, axis: int, sources: NDArray[np.int64], size: int) -> Tensor:
        shape = (*a.shape[:axis], size, *a.shape[axis + 1 :])
        return a.new_zeros(shape).index_add(axis, torch.tensor(sources, device=a.device), a)

    def spread(self, a: Tensor, shape: Shape, step: Shape) -> Tensor:
        places = a.new_zeros(shape)
        places[tuple(slice(None, None, s) for s in step)] = a
        return places

    def like(self, a: Tensor, b: Tensor) -> Tensor:
        return (a.real if a.is_complex() and not b.is_complex() else a).to(b.dtype)


_BACKEND = _TorchBackend()
