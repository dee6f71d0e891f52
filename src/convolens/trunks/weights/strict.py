"""Tensors into a module, strictly: every tensor is assigned by name, shape and kind, and none is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from convolens.errors import WeightsError

COUNTER = "num_batches_tracked"  # of batch norms; other packages do not keep it


def load_strictly(
    module: nn.Module, state: Mapping[str, Tensor], source: object, *, remedy: Callable[[], str] = lambda: ""
) -> None:
    """Puts tensors into a module, whose own may be on the meta device and only tell names, shapes and precision.

    Batch norms' counters may be missing: they start from 0. Weights that are kept in half precision, to be small, are
    computed with in the module's. Nothing is copied before everything fits.

    Args:
        module: filled in place; it takes the tensors over, as far as they have its precision.
        state: tensors by the names of the module's state dict.
        source: what to call them in messages.
        remedy: what to add to the message where they are another network's.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or kind, or holds NaN or infinity.

    >>> load_strictly(nn.Linear(2, 1), {"weight": torch.zeros(1, 3)}, "a.pth")
    Traceback (most recent call last):
    ...
    convolens.errors.WeightsError: a.pth: need 2 tensors by name and shape, got 1 missing (bias) and 1 of other shapes \
(weight (1, 3) for (1, 2))
    """
    wanted = module.state_dict()
    counters = {key for key in wanted if key.endswith(COUNTER)}
    if misfit := _misfit(wanted, state, counters):
        raise WeightsError(f"{source}: need {len(wanted)} tensors by name and shape, got {misfit}{remedy()}")
    filled = {key: torch.zeros((), dtype=torch.long) for key in counters}
    filled |= {key: _number(state[key], wanted[key].dtype, f"{source}: {key}") for key in wanted if key in state}
    module.load_state_dict(filled, assign=True)


def some(names: list[str]) -> str:
    """A few of the names, and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _misfit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], counters: set[str]) -> str:
    """A description of what does not fit; empty where all does."""
    found = {
        "missing": sorted(wanted.keys() - state.keys() - counters),
        "unknown": sorted(state.keys() - wanted.keys()),
        "of other shapes": [
            f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
            for key, value in wanted.items()
            if key in state and state[key].shape != value.shape
        ],
    }
    return " and ".join(f"{len(keys)} {kind} ({some(keys)})" for kind, keys in found.items() if keys)


def _number(value: Tensor, dtype: torch.dtype, subject: str) -> Tensor:
    """A tensor in the module's precision; counters are whole numbers, also where all were cast to floats alike."""
    counts = value.numel() == 1 and not dtype.is_floating_point and bool((value == value.round()).all())
    if value.is_floating_point() != dtype.is_floating_point and not counts:
        raise WeightsError(f"{subject}: need {dtype}, got {value.dtype}")
    value = value.to(dtype)
    if not bool(value.isfinite().all()):
        raise WeightsError(f"{subject}: need finite numbers, got NaN or infinity")
    return value
