"""Array kinds: NumPy in gives NumPy out, torch in gives torch out. torch is looked up only where it is already loaded.

A tensor can only exist once its caller has imported torch, so nothing here ever imports it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convolens.errors import DtypeError

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Array(Protocol):
    """What NumPy arrays and torch tensors have in common, for annotations: `Float[Array, "height width"]`."""

    @property
    def shape(self) -> Any: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102


AnyArray = TypeVar("AnyArray", bound=Array)


def is_tensor(x: object) -> TypeGuard[torch.Tensor]:
    """Whether `x` is a torch tensor. Never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def as_array(x: object, subject: str) -> NDArray[Any]:
    """`x` as a NumPy array of numbers.

    Raises:
        DtypeError: `x` holds text, objects, or is ragged.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DtypeError(f"{subject}: need numbers in a regular array, got rows of different lengths") from error
    if array.dtype.kind not in "buifc":
        raise DtypeError(f"{subject}: need numbers, got dtype {array.dtype}")
    return array
