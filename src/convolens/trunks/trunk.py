"""One trunk for every task: a feature extractor whose intermediate maps have names.

A trunk is a sequence of steps. Each ends in a tap: a name, the layers that lead to it from the tap before, and the
windows that a feature there is computed from. VGG and ResNet only differ in their steps; running, tracing and measuring
are here. Cost: that of the layers up to the deepest requested tap; nothing deeper is computed or held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from operator import attrgetter
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import ArgumentError, DtypeError, ShapeError, need_one_of
from convolens.layers.fusion.chains import Chains
from convolens.layers.tensors import is_traced
from convolens.memory import need_memory
from convolens.trunks.blocks import OriginalHead
from convolens.trunks.preprocessing import Preprocessing, any_channels
from convolens.trunks.receptive import Box, ReceptiveField, ReceptiveFields, TapField, Window, input_range, map_size

BEFORE_RELU = ":before_relu"


@dataclass(frozen=True)
class Step:
    """The layers from one tap to the next.

    Attributes:
        tap: the name of the value after `layers`, which is after the ReLU where there is one.
        layers: dotted paths of the modules to call in order; they are looked up when run, so that a layer may be
            replaced (by a fused or wrapped one) without the trunk knowing.
        windows: of the longest path to a feature; the receptive field of every shorter path is a part of theirs.
        channels: depth of the map.
        before_relu: paths that give the value before the last ReLU; empty where there is none.
    """

    tap: str
    layers: tuple[str, ...]
    windows: tuple[Window, ...]
    channels: int
    before_relu: tuple[str, ...] = ()


def fields_of(trunk: Trunk) -> ReceptiveFields:
    """The receptive field of every tap."""
    rows = []
    for tap in trunk.taps:
        size, stride, offset = trunk.receptive_field(tap)
        rows.append(TapField(tap, trunk.channels(tap), stride, size, offset))
    return ReceptiveFields(tuple(rows))


_FEW_PIXELS = 1 << 16  # of a batch, whose maps any machine has room for


class Trunk(nn.Module):
    """A feature extractor with named taps. Made by `convolens.trunk`.

    Attributes:
        name: the network's name, as in `TRUNKS`.
        taps: the taps' names, in the order they are computed.
        weights: the name or path of the weights it carries; None for random ones.
        preprocessing: what its weights expect of a picture.
        options: how it was built (`pooling`, `ceil_mode`, …), so that a model file can build it again.
        original_head: makes the classifier that the network was published with, for a number of classes.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, nn.Module],
        steps: Sequence[Step],
        options: Mapping[str, Any],
        original_head: Callable[[int], OriginalHead],
    ) -> None:
        super().__init__()
        for key, module in modules.items():
            self.add_module(key, module)
        self.name = name
        self.steps = {step.tap: step for step in steps}
        self.taps = tuple(self.steps)
        self.options = dict(options)
        self._chains = Chains()
        self.original_head = original_head
        self.weights: str | None = None
        self.preprocessing = (
            Preprocessing() if self.options["channels"] == 3 else any_channels(self.options["channels"])
        )

    def forward(
        self, batch: Float[Tensor, "batch channels height width"], taps: Sequence[str] | str | None = None
    ) -> dict[str, Float[Tensor, "batch features rows columns"]]:
        """The feature maps at the requested taps; runs no further than the deepest of them.

        Args:
            batch: preprocessed pictures, as `preprocess` makes them.
            taps: names from `taps`; the value is after the ReLU. `"conv4_3:before_relu"` asks for the value before
                it. None gives the last tap.

        Returns:
            Name → map, in the order of `taps`.

        Raises:
            ArgumentError: no such tap.
            ShapeError: not `(N, C, H, W)` with this trunk's C, or too small for the deepest tap.
        """
        names = (self.taps[-1],) if taps is None else (taps,) if isinstance(taps, str) else tuple(taps)
        last = max((-1, *(self.taps.index(self._step(name).tap) for name in names)))
        if not is_traced():  # a tracer records the sizes, which the checks compare
            self._check(batch, last)
            self._need_memory(batch, names, last)
        batch = batch.contiguous(memory_format=torch.channels_last)  # as the fast layers have it
        found = self._between(batch, names, 0, last)
        return {name: found[name] for name in names}

    def resume(
        self, tap: str, value: Float[Tensor, "batch features rows columns"], taps: Sequence[str]
    ) -> dict[str, Float[Tensor, "batch _features _rows _columns"]]:
        """The maps at `taps` that a value at `tap` leads to: the trunk behind it.

        Args:
            tap: where to resume; if it is among `taps`, its map is the value.
            value: the map at `tap`.
            taps: names from `taps`, none before `tap`.

        Raises:
            ArgumentError: no such tap, or one before `tap`.
        """
        first = self.taps.index(self._step(tap).tap) + 1
        later = [name for name in taps if name != tap]
        steps = [self.taps.index(self._step(name).tap) for name in later]
        if missing := [name for name, step in zip(later, steps, strict=True) if step < first]:
            raise ArgumentError(f"taps: need some at or after {tap}, got {', '.join(missing)}")
        found = {tap: value} | self._between(value, later, first, max((-1, *steps)))
        return {name: found[name] for name in taps}

    def _need_memory(self, batch: Tensor, names: Sequence[str], last: int) -> None:
        """States the maps that are held at once: those asked for, and the two largest neighbours on the way."""
        pixels = batch.shape[0] * batch.shape[2] * batch.shape[3]
        if batch.device.type != "cpu" or pixels < _FEW_PIXELS:
            return
        each = [self.channels(tap) / self.stride(tap) ** 2 for tap in self.taps[: last + 1]]
        asked = sum(each[self.taps.index(self._step(name).tap)] for name in names if self._step(name).tap in self.taps)
        size = batch.element_size() * pixels * (2 * max(each, default=0) + asked)
        need_memory(size, f"batch of {tuple(batch.shape)}", "pass smaller pictures, or fewer")

    def channels(self, tap: str) -> int:
        """How many features the tap has."""
        return self._step(tap).channels

    def stride(self, tap: str) -> int:
        """How many input pixels two neighbouring features of the tap are apart."""
        return self.receptive_field(tap).stride

    def receptive_field(self, tap: str) -> ReceptiveField:
        """`(size, stride, offset)` in input pixels: feature i depends on `size` pixels from `offset + i·stride`."""
        return ReceptiveField().through(self._windows(tap))

    def map_size(self, tap: str, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the tap's map for an input of that size; 0 where the input is too small."""
        windows = self._windows(tap)
        return map_size(windows, height), map_size(windows, width)

    def need_size(self, taps: Iterable[str], size: Sequence[int], subject: str) -> None:
        """Raises a `ShapeError` where an input of that height and width, called `subject`, is too small for a tap."""
        height, width = size
        for tap in taps:
            if 0 in self.map_size(tap, height, width):
                raise ShapeError(
                    f"{subject}: need it large enough for {tap} (stride {self.stride(tap)}), "
                    f"got {height}×{width} pixels; give a larger one, or take a tap that comes earlier"
                )

    def chosen(self, taps: str | Sequence[str] | None, subject: str = "taps") -> tuple[str, ...]:
        """The taps as a tuple: one or several, or the last for None.

        Raises:
            ArgumentError: none, one twice, or no such tap; the nearest is suggested.
        """
        try:
            names = self.taps[-1:] if taps is None else (taps,) if isinstance(taps, str) else tuple(taps)
        except TypeError as error:
            raise ArgumentError(f"{subject}: need names of taps, got {taps!r:.80}") from error
        for name in names:
            need_one_of(subject, name, self.taps)
        if not names or len(set(names)) < len(names):
            raise ArgumentError(f"{subject}: need at least one, each once, got {', '.join(names) or 'none'}")
        return names

    def trace(self, tap: str, row: int, column: int, *, clip: tuple[int, int] | Literal[False] = False) -> Box:
        """The receptive field of one feature: `(x1, y1, x2, y2)` in input pixels, half-open.

        Args:
            tap: a name from `taps`.
            row: of the feature, 0 at the top.
            column: of the feature, 0 at the left.
            clip: the input's `(height, width)`, to get only the part on it; False gives the whole box, which extends
                past the input near its borders.

        Raises:
            ArgumentError: no such tap, or (with `clip`) no such feature.
        """
        if clip is False:
            return self.receptive_field(tap).box(row, column)
        height, width = clip
        rows, columns = self.map_size(tap, height, width)
        if not (0 <= row < rows and 0 <= column < columns):
            raise ArgumentError(
                f"trace: need a feature of the {rows}×{columns} map of {tap} on {height}×{width} pixels, "
                f"got row {row}, column {column}"
            )
        windows = self._windows(tap)
        (y1, y2), (x1, x2) = input_range(windows, row, height), input_range(windows, column, width)
        return x1, y1, x2, y2

    def preprocess(self, pictures: object, *, size: int | None = None) -> Float[Tensor, "batch channels height width"]:
        """Pictures (paths or arrays, one or many) as the batch that the weights expect, on the trunk's device.

        Args:
            pictures: of one size, where `size` is None and the weights' own preprocessing leaves sizes as they are.
            size: brings pictures of any sizes to a square of this side: the shorter side resized, the centre cut out.

        Raises:
            ShapeError: pictures of several sizes.
            ArgumentError: a size below 1.
        """
        parameter = next(self.parameters())
        preprocessing = self.preprocessing if size is None else self.preprocessing.cropped(size)
        return preprocessing(pictures).to(device=parameter.device, dtype=parameter.dtype)

    def fuse_parts(self, fused: Callable[[nn.Module], nn.Module]) -> None:
        """Makes each step one fused module, in place; values before a ReLU are no longer available.

        `convolens.fuse` calls it on the copy that it makes.
        """
        for tap, step in self.steps.items():
            first, *others = step.layers
            row = nn.Sequential(*(attrgetter(path)(self) for path in step.layers))
            self.set_submodule(first, fused(row))
            for path in others:
                self.set_submodule(path, nn.Identity())
            self.steps[tap] = replace(step, layers=(first,), before_relu=())

    def extra_repr(self) -> str:
        """What `repr` shows besides the layers."""
        return f"name={self.name!r}, weights={self.weights!r}, taps={self.taps[0]} … {self.taps[-1]}"

    def _repr_html_(self) -> str:
        """What a notebook shows: the taps with what their features see; `print` shows the layers."""
        weights = "random weights" if self.weights is None else f"the weights {self.weights}"
        numbers = sum(one.numel() for one in self.parameters())
        words = f"{self.name} with {weights}, {numbers:,} of them, {len(self.taps)} taps"
        return f"<p>{escape(words)}</p>{fields_of(self)._repr_html_()}"

    def _step(self, name: str) -> Step:
        tap = name.removesuffix(BEFORE_RELU)
        need_one_of("tap", tap, self.taps)
        step = self.steps[tap]
        if name != tap and not step.before_relu:
            raise ArgumentError(f"tap {tap}: has no ReLU (or is fused with it), so no value before; ask for {tap!r}")
        return step

    def _windows(self, tap: str) -> tuple[Window, ...]:
        return tuple(window for step in self._until(tap) for window in step.windows)

    def _until(self, name: str) -> Iterator[Step]:
        tap = self._step(name).tap
        for step in self.steps.values():
            yield step
            if step.tap == tap:
                return

    def _between(self, value: Tensor, names: Sequence[str], first: int, last: int) -> dict[str, Tensor]:
        """The maps by name, from the steps number `first` to `last`; `value` is what the first of them reads."""
        if last < first:
            return {}
        found = None if is_traced() else self._by_chains(value, names, first, last)
        return self._one_by_one(value, names, first, last) if found is None else found

    def _one_by_one(self, value: Tensor, names: Sequence[str], first: int, last: int) -> dict[str, Tensor]:
        """The same by calling the layers, one after another."""
        found: dict[str, Tensor] = {}
        for tap in self.taps[first : last + 1]:
            value = self._run(self.steps[tap], value, tap + BEFORE_RELU in names, found)
            if tap in names:
                found[tap] = value
        return found

    def _by_chains(self, value: Tensor, names: Sequence[str], first: int, last: int) -> dict[str, Tensor] | None:
        """The same where all is convolution, ReLU and pooling, a chain to each map wanted: faster, in less memory."""
        if torch.compiler.is_compiling() or any(name not in self.taps for name in names):
            return None
        ends = [end for end in range(first, last + 1) if self.taps[end] in names]
        starts = [first, *(end + 1 for end in ends)]
        chains = [self._chains.of(key, self._layers(*key)) for key in zip(starts, ends, strict=False)]
        if not all(chain.runs_on(value) for chain in chains):
            return None
        found: dict[str, Tensor] = {}
        for end, chain in zip(ends, chains, strict=True):
            found[self.taps[end]] = value = chain(value)
        return found

    def _layers(self, first: int, last: int) -> list[nn.Module]:
        """The layers of the steps number `first` to `last`."""
        return [attrgetter(path)(self) for tap in self.taps[first : last + 1] for path in self.steps[tap].layers]

    def _run(self, step: Step, value: Tensor, keep_before: bool, found: dict[str, Tensor]) -> Tensor:
        if not keep_before:
            return self._through(step.layers, value)
        found[step.tap + BEFORE_RELU] = value = self._through(step.before_relu, value)
        return torch.relu(value)  # not in place: the value before is requested

    def _through(self, paths: tuple[str, ...], value: Tensor) -> Tensor:
        for path in paths:
            value = attrgetter(path)(self)(value)
        return value

    def _check(self, batch: Tensor, last: int) -> None:
        wanted = self.options["channels"]
        if batch.dim() != 4 or batch.shape[1] != wanted:
            raise ShapeError(f"batch: need (N, {wanted}, height, width), got {tuple(batch.shape)}; see preprocess")
        if not batch.is_floating_point():
            raise DtypeError(f"batch: need a float tensor, got {batch.dtype}; see preprocess")
        if last >= 0:
            self.need_size([self.taps[last]], batch.shape[2:], "batch")
