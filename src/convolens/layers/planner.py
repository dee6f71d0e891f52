"""How a layer's three sums are computed: every method priced for its sizes, the cheapest kept.

    winograd4   3×3, stride 1: a quarter of the multiplications, errs by up to 2e-5 of the largest output
    winograd2   the same with 4/9 of them, errs no more than torch's own convolution: for `cl.precision("exact")` too
    im2col      any kernel, stride and dilation as a matrix product, with what follows done before it leaves the cache
    bf16x3      the same by products of bfloat16, three for one of float32, where the processor multiplies tiles of them
    bf16        the same by one such product: for `cl.precision("bfloat16")`, where no gradient follows
    depthwise   a filter for each channel, at the speed of memory
    torch       everything: groups, other dtypes and devices

The choice depends on sizes, order in memory, dtype, device and `cl.precision` only, never on the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, Protocol

from convolens import planning
from convolens.layers import costs
from convolens.layers.geometry import Geometry, adjoint_of, is_pointwise
from convolens.planning import Candidate, Cost, Plan
from convolens.settings import Precision, cores, multiplies_bfloat16, multiplies_tiles

Method = Literal["winograd4", "winograd2", "im2col", "bf16x3", "bf16", "int8", "depthwise", "torch"]
Partial = Literal["output", "input gradient", "weight gradient"]

TORCH_MARGIN = 1.1  # its times scatter most about what is predicted of them, and its result takes new memory
TORCH_MARGIN_IN_NETWORKS = 1.5  # there its threads also spin on for milliseconds, on cores that the next layer wants
PARTS: dict[Method, int] = {"bf16": 1, "bf16x3": 2}  # of bfloat16 that a number is cut into
MIN_CHANNELS = 8  # fewer are brought into order one by one, which takes longer than their products
THREADS = 2  # by which a layer's prices were measured, by the clock

# Largest error against float64, of the largest output: as promised for "fast" and "exact"; tests hold them to less.
_FAST_ERROR, _EXACT_ERROR = 5e-5, 5e-6
_BFLOAT16_ERROR = 1e-2
_INT8_ERROR = 5e-2
_INT8_DEPTH = (1 << 31) // (255 * 127)  # products that a sum of 32 bits holds


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One of a layer's sums, without its numbers.

    Attributes:
        geometry: the layer's sizes.
        partial: the layer itself, or one of its gradients.
        channels_last: whether its input (to a gradient: what comes from above) needs no reordering first.
        epilogue: whether something follows that the core does in the same pass.
        trainable: whether its weights are being learned, so that what is made of them serves once.
        mode: `cl.precision`.
        by_core: whether the core can read its arrays: float32 on the CPU.
        has_levels: whether its inputs have levels, and no gradient follows.
    """

    geometry: Geometry
    partial: Partial = "output"
    channels_last: bool = True
    epilogue: bool = False
    trainable: bool = False
    mode: Precision = "fast"
    by_core: bool = True
    has_levels: bool = False


class LayerMethod(Protocol):
    """One way to compute a layer's sums."""

    @property
    def NAME(self) -> Method:  # noqa: N802 - as a convolution's algorithm
        """What a plan calls it."""

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, in a few words, or None."""

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""


@dataclass(frozen=True)
class Winograd:
    """Winograd's algorithm for 3×3 on tiles of this side."""

    tile: int

    @property
    def NAME(self) -> Method:  # noqa: N802
        """What a plan calls it."""
        return "winograd4" if self.tile == 4 else "winograd2"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, or None."""
        geometry = spec.geometry
        if geometry.weight_shape[2:] != (3, 3) or not geometry.stride == geometry.dilation == (1, 1):
            return "not 3×3 with a stride and dilation of 1"
        if geometry.groups != 1:
            return "has groups"
        if max(geometry.before + geometry.after) > 2:
            return "padded by more than 2"
        if self.tile == 4 and spec.mode == "exact":
            return "cl.precision is 'exact'"
        return "the gradient in the weight takes tiles of 4" if spec.partial[0] == "w" and self.tile == 2 else None

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        filters, channels, *_ = spec.geometry.weight_shape
        packed = (self.tile + 2) ** 2 * filters * channels
        error = _FAST_ERROR if self.tile == 4 else _EXACT_ERROR
        if spec.partial == "weight gradient":
            amounts = costs.winograd_amounts(spec.geometry, self.tile)
            return _by_core(spec, "winograd weight gradient", amounts, 0, error)
        amounts = costs.winograd_amounts(spec.geometry, self.tile, backward=spec.partial == "input gradient")
        return _by_core(spec, f"{self.NAME} {spec.partial}", amounts, packed, error)


class Im2col:
    """A matrix product with the inputs of each output gathered into a row."""

    NAME: Method = "im2col"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, or None."""
        if spec.geometry.groups != 1:
            return "has groups"
        if spec.partial == "input gradient" and not is_pointwise(spec.geometry):
            return "the gradient in x is for 1×1 of stride 1"
        if spec.partial == "weight gradient" and spec.geometry.weight_shape[1] < MIN_CHANNELS:
            return f"the gradient in the weight is for {MIN_CHANNELS} channels and more"
        return None

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        if spec.partial == "weight gradient":
            amounts = costs.weight_gradient_amounts(spec.geometry)
            return _by_core(spec, "im2col weight gradient", amounts, 0, _EXACT_ERROR)
        geometry, packed = spec.geometry, prod(spec.geometry.weight_shape)
        geometry = geometry if spec.partial == "output" else adjoint_of(geometry)
        return _by_core(spec, costs.im2col_kind(geometry), costs.im2col_amounts(geometry), packed, _EXACT_ERROR)


@dataclass(frozen=True)
class BFloat16:
    """As im2col, by products of bfloat16: each number cut into this many parts."""

    parts: int

    @property
    def NAME(self) -> Method:  # noqa: N802
        """What a plan calls it."""
        return "bf16" if self.parts == 1 else "bf16x3"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, or None."""
        if self.parts == 1 and spec.mode != "bfloat16":
            return "cl.precision is not 'bfloat16'"
        if spec.mode == "exact":
            return "cl.precision is 'exact'"
        if not (multiplies_bfloat16() if self.parts == 1 else multiplies_tiles()):
            return f"the instruction set does not multiply {'' if self.parts == 1 else 'tiles of '}bfloat16"
        if spec.geometry.weight_shape[1] < MIN_CHANNELS:
            return f"products of bfloat16 are for {MIN_CHANNELS} channels and more"
        return "has no gradients" if spec.partial != "output" else Im2col().refuses(spec)

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        packed = prod(spec.geometry.weight_shape) * self.parts // 2
        error = _BFLOAT16_ERROR if self.parts == 1 else _FAST_ERROR
        return _by_core(spec, self.NAME, costs.bfloat16_amounts(spec.geometry), packed, error)


class Int8:
    """As im2col, in 8-bit integers."""

    NAME: Method = "int8"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, or None."""
        if not spec.has_levels:
            return "not quantized (cl.quantize), or a gradient follows"
        if spec.mode == "exact":
            return "cl.precision is 'exact'"
        if spec.partial != "output":
            return "has no gradients"
        depth = prod(spec.geometry.weight_shape[1:])
        return "too deep to be summed in 32 bits" if depth > _INT8_DEPTH else Im2col().refuses(spec)

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        packed = prod(spec.geometry.weight_shape) // 4
        return _by_core(spec, self.NAME, costs.int8_amounts(spec.geometry), packed, _INT8_ERROR)


class Depthwise:
    """A filter for each channel."""

    NAME: Method = "depthwise"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this, or None."""
        filters, channels, *_ = spec.geometry.weight_shape
        if spec.partial != "output":
            return "has no gradients"
        single = channels == 1 and filters == spec.geometry.groups and filters > 1
        return None if single else "not one filter for each channel"

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        packed = prod(spec.geometry.weight_shape)
        return _by_core(spec, "depthwise", costs.im2col_amounts(spec.geometry), packed, _EXACT_ERROR)


class Torch:
    """Torch's own convolution, whatever the dtype and device."""

    NAME: Method = "torch"

    def refuses(self, spec: LayerSpec) -> str | None:
        """Why it cannot compute this: never."""
        return None

    def cost(self, spec: LayerSpec) -> Cost:
        """What it would need."""
        order = "channels-last" if spec.channels_last else "planes"
        work = f"torch {spec.partial}, {order}, {costs.torch_kind(spec.geometry)}"
        seconds = planning.seconds(work, "float32", costs.torch_amounts(spec.geometry))
        if spec.epilogue:
            seconds += planning.seconds("pass", "float32", costs.pass_amounts(spec.geometry.y_shape))
        return Cost(_by_all_cores(seconds), 0.0, _EXACT_ERROR)


ALGORITHMS: tuple[LayerMethod, ...] = (
    Winograd(4),
    Winograd(2),
    Im2col(),
    BFloat16(2),
    BFloat16(1),
    Int8(),
    Depthwise(),
    Torch(),
)


@lru_cache(maxsize=4096)
def plan_for(spec: LayerSpec) -> Plan:
    """The plan of one of a layer's sums."""
    candidates = tuple(_candidate(method, spec) for method in ALGORITHMS)
    able = [candidate for candidate in candidates if candidate.cost is not None]
    margin = TORCH_MARGIN_IN_NETWORKS if spec.epilogue else TORCH_MARGIN
    return Plan(spec, min(able, key=lambda candidate: _judged(candidate, margin)), candidates)


def _judged(candidate: Candidate, margin: float) -> float:
    """Its predicted seconds; torch's own must be faster by a margin."""
    return planning.cost_of(candidate).seconds * (margin if candidate.name == "torch" else 1.0)


def _candidate(method: LayerMethod, spec: LayerSpec) -> Candidate:
    refusal = method.refuses(spec)
    if refusal is None and not spec.by_core and method.NAME != "torch":
        refusal = "need float32 on the CPU"
    return Candidate(method, None, refusal) if refusal else Candidate(method, method.cost(spec))


def _by_core(spec: LayerSpec, work: str, amounts: costs.Amounts, packed: int, error: float) -> Cost:
    """The cost of a method that reads and writes channels-last, and `packed` weights in an order of its own."""
    seconds, moved = planning.seconds(work, "float32", amounts), 0
    if spec.trainable and packed:
        kind = work.split()[0].strip(",")
        seconds += planning.seconds(f"{kind} packing", "float32", costs.packing_amounts(packed))
    if not spec.channels_last:
        for name, shape in (("to channels-last", spec.geometry.x_shape), ("to planes", spec.geometry.y_shape)):
            seconds += planning.seconds(name, "float32", costs.reordering_amounts(shape))
            moved += prod(shape)
    return Cost(_by_all_cores(seconds), 4.0 * (packed + moved), error)


def _by_all_cores(seconds: float) -> float:
    return seconds * THREADS / cores()
