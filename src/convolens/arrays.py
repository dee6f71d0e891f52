"""Array kinds: NumPy in gives NumPy out, torch in gives torch out. torch is looked up only where it is already loaded.

A tensor can only exist once its caller has imported torch, so nothing here ever imports it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from numbers import Real as RealNumber
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convolens import _core
from convolens.errors import ArgumentError, DeviceError, DtypeError, ShapeError

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Array(Protocol):
    """What NumPy arrays and torch tensors have in common, for annotations: `Float[Array, "height width"]`."""

    @property
    def shape(self) -> Any: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102


# PEP 484 lets an int stand where a float is asked for; run-time checkers want it said.
Real = float | int | np.floating[Any] | np.integer[Any]

AnyArray = TypeVar("AnyArray", bound=Array)


def is_tensor(x: object) -> TypeGuard[torch.Tensor]:
    """Whether `x` is a torch tensor. Never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def is_half(x: object) -> TypeGuard[torch.Tensor]:
    """Whether `x` is a torch tensor of float16 or bfloat16, of which NumPy has not the latter."""
    return is_tensor(x) and x.is_floating_point() and x.element_size() == 2


def to_plain(value: object) -> Any:
    """NumPy's and torch's arrays and numbers as lists and numbers, as JSON has them; all else as it is.

    >>> to_plain(np.float32([0.5, 1])), to_plain("cat")
    ([0.5, 1.0], 'cat')
    """
    to_list: Any = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def plain_fields(result: Any) -> dict[str, Any]:
    """A dataclass's fields as plain data, but for a field `picture`, which is what it is about, and large maps."""
    plain = (one.name for one in fields(result) if one.name != "picture" and one.metadata.get("plain", True))
    return {name: to_plain(getattr(result, name)) for name in plain}


# Below this the allocator reuses memory by itself; above it, the system would hand out pages to be zeroed anew.
_LARGE_BYTES = 1 << 20
_MOST_NUMBERS = 1 << 47  # the addresses that a process has


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """`numpy.empty`, in memory that was used before where it is large.

    A large fresh array costs a page fault for every page, which takes longer than many a filter. Memory that such
    results let go is kept for the next one: 512 MB at most, or what the last training step held at once and a quarter
    of it. What nobody takes goes at the first call after 3 s.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size > _MOST_NUMBERS:
        raise MemoryError(f"need {size:,} bytes for an array of shape {shape}")
    if size < _LARGE_BYTES:
        return np.empty(shape, kind)
    return _core.pooled(size).view(kind).reshape(shape)


@contextmanager
def keeping(size: int) -> Iterator[None]:
    """At most so many bytes of memory that was let go are kept for the next large result meanwhile."""
    before = _core.set_pool_limit(size)
    try:
        yield
    finally:
        _core.set_pool_limit(before)


def release_pool() -> None:
    """Gives the memory kept for later results back to the system: where results of other sizes follow."""
    with keeping(0):
        pass


def as_array(x: object, subject: str) -> NDArray[Any]:
    """`x` as a NumPy array of numbers.

    Raises:
        DtypeError: `x` holds text, objects, or is ragged.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DtypeError(f"{subject}: need numbers in a regular array, got rows of different lengths") from error
    except (TypeError, RuntimeError, OverflowError) as error:  # a tensor without numbers, a sparse one, a class's own
        told = str(error).partition("\n")[0]
        raise DtypeError(f"{subject}: need numbers, got {type(x).__name__}, which NumPy cannot read: {told}") from error
    if array.dtype.kind not in "buifc":
        raise DtypeError(f"{subject}: need numbers, got dtype {array.dtype}")
    need_size(array.shape, subject)
    return array


def need_dense(x: Any, subject: str) -> None:
    """Refuses a tensor whose numbers are kept in another way than as an array of them.

    Raises:
        DtypeError: a sparse or quantized one.
    """
    if str(x.layout) != "torch.strided" or x.is_quantized:
        raise DtypeError(
            f"{subject}: need a dense tensor, got {x.layout}, {x.dtype}; to_dense() or dequantize() makes one"
        )


def need_numbers(x: Any, subject: str) -> None:
    """Refuses a tensor that NumPy cannot look into.

    Raises:
        DtypeError: a sparse or quantized one.
        DeviceError: one on the device meta.
    """
    need_dense(x, subject)
    if x.is_meta:
        raise DeviceError(f"{subject}: need numbers, got one on the device meta, which has a shape alone")


def need_size(shape: tuple[int, ...], subject: str) -> None:
    """Refuses an array that repeats what is there more often than memory could hold: looking through it takes days.

    Raises:
        ShapeError: more numbers than a process can address.
    """
    if math.prod(shape) > _MOST_NUMBERS:
        raise ShapeError(f"{subject}: need an array that memory can hold, got one of shape {tuple(shape)}")


def as_real(
    value: object, subject: str, need: str = "a finite number", fits: Callable[[float], bool] = math.isfinite
) -> float:
    """A number that was given for an option, as a float; an array or tensor without axes is a number too.

    Args:
        value: what was given.
        subject: the option.
        need: what it must be, for the message.
        fits: whether a finite number will do.

    Raises:
        ArgumentError: no number (truth values are none), NaN or infinite, or one that does not fit.

    >>> as_real(np.float32(0.5), "gain")
    0.5
    >>> as_real("much", "gain")
    Traceback (most recent call last):
    convolens.errors.ArgumentError: gain: need a finite number, got 'much'
    """
    number = value if type(value) is float else _real(value)
    if not math.isfinite(number) or not fits(number):
        raise ArgumentError(f"{subject}: need {need}, got {_named(value)}")
    return number


def _real(value: Any) -> float:
    """NaN for what is no real number."""
    plain = value.item() if getattr(value, "shape", None) == () and not _is_empty_shell(value) else value
    if isinstance(plain, bool) or not isinstance(plain, RealNumber):
        return math.nan
    try:
        return float(plain)
    except OverflowError:  # an integer of more than 300 digits
        return math.inf


def as_whole(value: object, subject: str, minimum: int) -> int:
    """A whole number that was given for an option.

    Raises:
        ArgumentError: something else (truth values are none), less than `minimum`, or 2^31 and more.

    >>> as_whole(np.int64(2), "batch", 1)
    2
    """
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or not minimum <= value < 1 << 31:  # type: ignore[operator]
        raise ArgumentError(f"{subject}: need a whole number of at least {minimum}, got {_named(value)}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def as_flag(value: object, subject: str) -> bool:
    """A truth value that was given for an option: other things have one too, but mean something else.

    Raises:
        ArgumentError: something else.

    >>> as_flag("no", "flip")
    Traceback (most recent call last):
    convolens.errors.ArgumentError: flip: need True or False, got 'no'
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{subject}: need True or False, got {_named(value)}")
    return bool(value)


def _is_empty_shell(value: Any) -> bool:
    """Whether it is a tensor that has a shape and no numbers, as on torch's device meta."""
    return bool(getattr(value, "is_meta", False))


def _named(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape or _is_empty_shell(value):
        return f"an array of shape {tuple(shape or ())}"
    return f"{to_plain(value)!r:.200}"
