"""What a result must be where that is known: by the documentation, by the definition, by another library."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import signal
from torch.nn import functional

MODERATE = 1e15  # magnitudes up to which sums and squares of float32 are finite
SMALL = 4096  # values up to which the definition itself is computed
SAME_SHAPE = ("blur", "sharpen", "sobel", "scharr", "prewitt", "laplacian_of_gaussian", "difference_of_gaussians")


def is_claim(value: Any) -> bool:
    """Whether it claims more numbers than any machine has, or is a number that asks for so many."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.size > 1 << 30 if isinstance(value, np.ndarray) else value.numel() > 1 << 30
    return isinstance(value, int | float) and abs(value) > 1 << 20


def check(name: str, given: dict[str, Any], result: Any, *, is_right: bool) -> None:
    """Raises an `AssertionError` where the result is wrong."""
    if name in SAME_SHAPE:
        _of_picture(name, given["image"], result)
    elif name in ("convolve", "correlate"):
        _of_convolution(name, given, result)
    elif name in ("echo", "reverb"):
        assert _dtype(result) == _dtype(given["samples"]), (_dtype(given["samples"]), _dtype(result))
        assert len(result) >= len(given["samples"]), (len(result), len(given["samples"]))
        _finite_stays_finite(result, *given.values())
    elif name == "canny":
        assert tuple(result.shape) == _shape(given["image"])[:2], result.shape
        assert "bool" in _dtype(result), result.dtype
    elif name == "draw_boxes":
        assert result.dtype == np.uint8, result.dtype
        assert result.ndim == 3, result.shape
    elif name == "layers.conv2d":
        _of_layer(given, result)
    elif name == "layers.max_pool2d" and not given["return_argmax"]:
        _of_pooling(given, result)
    elif name == "kernel":
        assert np.isfinite(np.asarray(result)).all(), result
    elif name == "read_image":
        assert result.dtype in (np.uint8, np.uint16), result.dtype
    elif name == "read_audio":
        assert result[0].dtype == np.float32, result[0].dtype
    elif name == "gram":
        assert tuple(result.shape[-2:]) == (_shape(given["features"])[-3],) * 2, result.shape
    elif name.startswith("explain") and is_right:
        for one in result if isinstance(result, list) else [result]:
            assert np.isfinite(one.heatmap).all(), one


def _of_picture(name: str, image: Any, result: Any) -> None:
    assert tuple(result.shape) == _shape(image), (result.shape, _shape(image))
    assert isinstance(result, torch.Tensor) == isinstance(image, torch.Tensor), type(result)
    if name in ("blur", "sharpen"):
        assert _dtype(result) == _dtype(image), (_dtype(image), _dtype(result))
    else:
        assert "float" in _dtype(result), result.dtype
    _finite_stays_finite(result, image)


def _of_convolution(name: str, given: dict[str, Any], result: Any) -> None:
    x, kernel = (_numbers(given[one]) for one in ("x", "kernel"))
    plain = given["axes"] is None and given["boundary"] == "constant" and _is_zero(given["fill_value"])
    if not plain or x.size > SMALL or kernel.size > SMALL or given["tolerance"] != 0:
        return
    if not (_is_moderate(x) and _is_moderate(kernel)) or given["mode"] not in ("full", "valid"):
        return
    exact = np.result_type(x, kernel).kind in "biu"
    wide = [one.astype(object if exact else complex) for one in (x, kernel)]
    wide[1] = np.flip(wide[1]) if name == "correlate" else wide[1]
    if exact:
        wide = [one.astype(np.float64) for one in wide]
    truth = signal.convolve(*wide, mode=given["mode"], method="direct") if x.ndim and x.size else np.asarray(result)
    if np.float16 in (x.dtype, kernel.dtype) or "bfloat16" in f"{_dtype(given['x'])} {_dtype(given['kernel'])}":
        return
    single = any(one.dtype in (np.float16, np.float32, np.complex64) for one in (x, kernel))
    bound = (1e-4 if single else 1e-9) * float(np.abs(wide[0]).max(initial=1) * np.abs(wide[1]).sum() + 1e-30)
    found = _numbers(result)
    assert found.shape == truth.shape, (found.shape, truth.shape)
    assert (np.abs(found - truth) <= bound).all(), float(np.abs(found - truth).max())


def _numbers(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().resolve_conj()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _of_layer(given: dict[str, Any], result: Any) -> None:
    x, weight = (_tensor(given[one]) for one in ("x", "weight"))
    if x.device.type != "cpu" or x.numel() > SMALL or not x.is_floating_point():
        return
    bias = None if given["bias"] is None else _tensor(given["bias"]).double()
    options = {one: given[one] for one in ("stride", "padding", "dilation", "groups")}
    try:
        truth = functional.conv2d(x.double(), weight.double(), bias, **options).detach()
    except (TypeError, RuntimeError):  # numbers of another kind, which torch does not take
        return
    found = torch.as_tensor(result).detach().double()
    assert found.shape == truth.shape, (found.shape, truth.shape)
    if (
        _is_moderate(x.detach().numpy())
        and _is_moderate(weight.detach().numpy())
        and (bias is None or _is_moderate(bias.detach().numpy()))
        and x.dtype in (torch.float32, torch.float64)
    ):
        bound = 2e-4 * float(truth.abs().max() if truth.numel() else 0) + 1e-30
        assert bool(((found - truth).abs() <= bound).all()), float((found - truth).abs().max())


def _tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    array = np.asarray(value)
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("=")))


def _of_pooling(given: dict[str, Any], result: Any) -> None:
    x = _tensor(given["x"])
    if x.device.type != "cpu" or x.numel() > SMALL or not x.is_floating_point():
        return
    options = {one: given[one] for one in ("stride", "padding", "dilation", "ceil_mode")}
    try:
        truth = functional.max_pool2d(x.double(), given["size"], **options)
    except (TypeError, RuntimeError):
        return
    found = torch.as_tensor(result).double()
    assert torch.equal(found.nan_to_num(), truth.nan_to_num()), (found.shape, truth.shape)


def _finite_stays_finite(result: Any, *given: Any) -> None:
    arrays = [np.asarray(one) for one in given if isinstance(one, np.ndarray)]
    numbers = [one for one in given if isinstance(one, int | float | list)]
    if isinstance(result, torch.Tensor) or not all(map(_is_moderate, arrays)):
        return
    if not all(_is_moderate(np.asarray(one)) for one in numbers):
        return
    assert np.isfinite(np.asarray(result)).all(), "a result that is not finite, of what is"


def _is_moderate(values: Any) -> bool:
    values = np.asarray(values)
    if values.dtype.kind not in "biufc" or values.dtype == np.float16 or values.size > SMALL:
        return False
    return bool((np.abs(values.astype(np.complex128)) < MODERATE).all()) if values.size else True


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(np.shape(value) if not isinstance(value, torch.Tensor) else value.shape)


def _dtype(value: Any) -> str:
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    return str(dtype).removeprefix("torch.").removeprefix(">").replace("f4", "float32").replace("f8", "float64")
