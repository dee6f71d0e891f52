"""Weights in the orders that the core's methods read them: made once, kept beside the weights they came from.

They are kept for as long as those live and hold the same numbers; those of a network that has not run for ten seconds
go when another's are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convolens import _core
from convolens.forks import lock_that_forks
from convolens.layers import core

Packed = TypeVar("Packed", bound=Tensor | None)
Made = TypeVar("Made")


@dataclass(slots=True)
class _Kept:
    state: tuple[object, ...]
    packed: Tensor | None
    used: float


# Winograd's transform is four times its weights. Of a network that did not run for this long, it goes when another
# network's is made: a cached trunk then holds its weights alone.
_IDLE_SECONDS = 10.0

_LARGEST_BFLOAT16 = 3.38e38

_kept: MutableMapping[Tensor, dict[object, _Kept]] = WeakIdKeyDictionary()
_keeping = lock_that_forks()


class Standing:
    """What was made of weights that stay as they are meanwhile."""

    def __init__(self) -> None:
        self.is_open = True
        self.made: MutableMapping[Tensor, dict[object, tuple[tuple[object, ...], Any]]] = WeakIdKeyDictionary()

    def tensors(self) -> list[Tensor]:
        """All that was made."""
        found: list[Tensor] = []
        left: list[Any] = [one for kept in self.made.values() for _, one in kept.values()]
        for one in left:
            if isinstance(one, Tensor):
                found.append(one)
            elif isinstance(one, tuple | list):
                left += one  # which are gone through too
        return found


_standing: ContextVar[Standing | None] = ContextVar("standing", default=None)


@contextmanager
def standing_weights() -> Iterator[Standing]:
    """Within it weights are taken to stay what they are: the numbers of each are looked at once, not at each call.

    A change that torch's version counter sees is still seen. Those of 100 MB take some milliseconds to look at.

    Yields:
        What was made of them so far.
    """
    before, standing = _standing.get(), Standing()
    _standing.set(standing)
    try:
        yield standing
    finally:
        standing.is_open = False  # what suspended generators leave behind must not serve, nor keep anything
        standing.made.clear()
        _standing.set(before)


def folded_norm(norm: torch.nn.BatchNorm2d, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """As `core.folded_norm`, kept where weights stand."""
    tensors = [norm.running_mean, norm.running_var, norm.weight, norm.bias, bias]
    assert norm.running_mean is not None
    state = norm.eps, *(None if one is None else _seen_state(one) for one in tensors)

    def make() -> tuple[tuple[Tensor, Tensor], list[Tensor | None]]:
        return core.folded_norm(norm, bias), tensors[1:]  # which live as long, so that none takes another's address

    return _while_standing(norm.running_mean, "norm", state, make)[0]


def _seen_state(weight: Tensor) -> tuple[object, ...]:
    """What is known of a tensor without looking at its numbers."""
    return 0 if weight.is_inference() else weight._version, weight.data_ptr(), weight.stride()


def marks_of(owner: object, tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """Fingerprints of the numbers of all, dense tensors; where weights stand, looked at once for each owner."""

    def look() -> tuple[int, ...]:
        return tuple(_core.fingerprint(one.data_ptr(), one.numel()) for one in tensors)

    return _while_standing(tensors[0], owner, tuple(map(_seen_state, tensors)), look)


def _while_standing(weight: Tensor, key: object, state: tuple[object, ...], make: Callable[[], Made]) -> Made:
    """What `make` gives; where weights stand, what it gave before for such a state."""
    standing = _standing.get()
    if standing is None or not standing.is_open:
        return make()
    kept = standing.made.setdefault(weight, {})
    found = kept.get(key)
    if found is None or found[0] != state:
        found = kept[key] = state, make()
    made: Made = found[1]
    return made


def transformed(weight: Tensor, tile: int, *, rotated: bool = False) -> Tensor:
    """Winograd's transform of 3×3 weights, computed once for as long as the weights stay what they are."""

    def make() -> Tensor:
        view = core.view_of(weight, rotated=rotated)
        made = core.unset((_core.winograd_weights_size(view[1], view[2], tile),))
        _core.winograd_weights(view, tile, made.data_ptr())
        return made

    return _keep(weight, (tile, rotated), make)


def packed(weight: Tensor) -> Tensor | None:
    """Weights in the order `im2col_output` reads them, computed once as long as they stay what they are.

    None where one is infinite or NaN: it would be multiplied by the zeros around x, which torch leaves out.
    """

    def make() -> Tensor | None:
        made = _packed(weight, _core.im2col_weights_size, _core.im2col_weights)
        return made if core.finite(made) else None

    return _keep(weight, "packed", make)


def packed_adjoint(weight: Tensor) -> Tensor:
    """Weights of one cell in the order that `core.im2col_input_gradient` reads them, computed once as `packed`."""
    adjoint = weight.detach().transpose(0, 1)
    return _keep(weight, "adjoint", lambda: _packed(adjoint, _core.im2col_weights_size, _core.im2col_weights))


def packed_depthwise(weight: Tensor) -> Tensor:
    """Weights in the order `depthwise_output` reads them, computed once as long as they stay what they are."""
    return _keep(weight, "depthwise", lambda: _packed(weight, _core.depthwise_weights_size, _core.depthwise_weights))


def in_bfloat16(weight: Tensor, parts: int) -> Tensor | None:
    """Weights in bfloat16 as `bfloat16_output` reads them, each in so many parts, computed once as `packed`.

    None where one is infinite or NaN, or would be in bfloat16: its parts do not sum to it.
    """

    def make() -> Tensor | None:
        view = core.view_of(weight)
        size = -(-_core.bfloat16_weights_size(view, parts) // 2)  # two numbers of bfloat16 where one of float32 is
        made = core.unset((size,))
        _core.bfloat16_weights(view, parts, made.data_ptr())
        return made if float(weight.detach().abs().max()) < _LARGEST_BFLOAT16 else None

    return _keep(weight, ("bfloat16", parts), make)


def in_levels(weight: Tensor) -> Tensor | None:
    """Weights as 8-bit integers, as `int8_output` reads them, computed once as `packed`; None as there."""

    def make() -> Tensor | None:
        made = _packed(weight, _core.int8_weights_size, _core.int8_weights)
        return made if core.finite(weight.detach()) else None

    return _keep(weight, "int8", make)


def _packed(weight: Tensor, size: Callable[..., int], pack: Callable[..., None]) -> Tensor:
    made = core.unset((size(core.view_of(weight)),))
    pack(core.view_of(weight), made.data_ptr())
    return made


def _keep(weight: Tensor, key: object, make: Callable[[], Packed]) -> Packed:
    """What `make` gives, kept beside the weight; where weights stand, without a look at its numbers."""
    state = (*_seen_state(weight), _core.instruction_set())
    if _standing.get() is None:
        return _keep_beside(weight, key, state, make)
    return _while_standing(weight, key, state, lambda: _keep_beside(weight, key, state, make))


def _keep_beside(weight: Tensor, key: object, seen: tuple[object, ...], make: Callable[[], Packed]) -> Packed:
    """What `make` gives, kept beside the weight.

    A fingerprint of the numbers (0.6 to 1.9% of a deep layer's time on one small map; a tenth where weights come from
    slow memory) tells whether they are the same, since torch's version counter does not see every write (`weight.data`,
    shared memory).
    """
    if not (weight.is_contiguous() or weight.is_contiguous(memory_format=core.LAST)):
        return make()  # a slice of something: nothing lasting to keep it beside
    state = (_core.fingerprint(weight.data_ptr(), weight.numel()), *seen)
    kept = _kept.get(weight)
    found = None if kept is None else kept.get(key)
    if found is None or found.state != state:
        del found  # its memory is what `make` takes
        kept = _room_for(weight, key)
        found = kept[key] = _Kept(state, make(), monotonic())
    found.used = monotonic()
    return found.packed  # type: ignore[return-value] # what `make` gave for this key


def _room_for(weight: Tensor, key: object) -> dict[object, _Kept]:
    """Where to keep what is made of the weight; what was kept there goes, and so does what has been idle for long."""
    with _keeping:
        oldest = monotonic() - _IDLE_SECONDS
        for others in _kept.values():
            for other in [name for name, one in list(others.items()) if one.used < oldest]:
                others.pop(other, None)
        kept = _kept.setdefault(weight, {})
        kept.pop(key, None)
        return kept
