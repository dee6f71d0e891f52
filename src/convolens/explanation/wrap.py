"""Any torch module as something that can be explained: its submodules' outputs are the taps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolens.errors import ArgumentError, ShapeError, did_you_mean
from convolens.trunks import Preprocessing


def wrap_module(
    module: nn.Module,
    taps: str | Sequence[str],
    *,
    class_names: Sequence[str] = (),
    preprocessing: Preprocessing | None = None,
) -> Wrapped:
    """Makes a classifier from elsewhere explainable. The module itself is not changed.

    Args:
        module: takes `(N, C, H, W)` and gives `(N, classes)` scores before softmax.
        taps: names of submodules, as `named_modules` gives them, whose output is a map `(N, C, rows, columns)`; the
            last is where `explain` looks unless told otherwise.
        class_names: of the scores; without them classes go by number.
        preprocessing: what the module expects of a picture; None is ImageNet's mean and deviation.

    Raises:
        ArgumentError: the module has no submodule of that name; the nearest is suggested.

    >>> model = wrap_module(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0").eval()
    >>> model.taps
    ('0',)
    """
    if not isinstance(module, nn.Module):
        raise ArgumentError(f"module: need a torch module, got {type(module).__name__}")
    if not isinstance(taps, Sequence) or not isinstance(class_names, Sequence):
        raise ArgumentError(f"taps, class_names: need names, got {taps!r:.100} and {class_names!r:.100}")
    if not isinstance(preprocessing, Preprocessing | None):
        raise ArgumentError(f"preprocessing: need a Preprocessing or None, got {preprocessing!r:.100}")
    names = (taps,) if isinstance(taps, str) else tuple(taps)
    known = [name for name, _ in module.named_modules() if name]
    for name in names:
        if not isinstance(name, str) or name not in known:
            hint = did_you_mean(name, known) or (f", such as {known[-1]!r}" if known else "")
            raise ArgumentError(f"taps: need names of submodules, got {name!r}{hint}")
    if not names:
        raise ArgumentError("taps: need at least one, got none")
    return Wrapped(module, names, tuple(class_names), preprocessing or Preprocessing())


class Wrapped(nn.Module):
    """A module with named taps. Made by `convolens.wrap_module`; takes and gives what the module does."""

    def __init__(
        self, module: nn.Module, taps: tuple[str, ...], class_names: tuple[str, ...], preprocessing: Preprocessing
    ) -> None:
        super().__init__()
        self.module, self.class_names, self.preprocessing = module, class_names, preprocessing
        self.passed_taps = taps
        self.taps = taps[-1:]
        self.training = module.training  # not `train`, which would set the modes of the module's parts

    def forward(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """The module's scores."""
        scores = self.module(batch)
        if not isinstance(scores, Tensor) or scores.dim() != 2:
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ShapeError(f"module: need scores (N, classes), got {got}; wrap a module that picks them out")
        return scores

    def probabilities(self, scores: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """The softmax of the scores."""
        return scores.softmax(dim=1)

    def preprocess(self, pictures: object) -> Float[Tensor, "batch channels height width"]:
        """Pictures as a batch, on the module's device."""
        weight = next(self.module.parameters(), torch.empty(0))
        return self.preprocessing(pictures).to(device=weight.device, dtype=weight.dtype)

    def maps(self, batch: Float[Tensor, "batch channels height width"], taps: Sequence[str]) -> dict[str, Tensor]:
        """The taps' outputs, copied before a later layer can change them in place."""
        found: dict[str, Tensor] = {}

        def keep(tap: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                if not isinstance(output, Tensor) or output.dim() != 4:
                    got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                    raise ShapeError(f"tap {tap}: need a map (N, C, rows, columns), got {got}")
                found[tap] = output.clone()

            return hook

        with self._hooked({tap: keep(tap) for tap in taps}):
            self(batch)
        for tap in taps:
            if tap not in found:
                raise ArgumentError(f"tap {tap}: need a submodule that runs, got one that was not called")
        return found

    def rest(
        self, batch: Float[Tensor, "batch channels height width"], tap: str, maps: Mapping[str, Tensor] | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Class scores from values at a tap. The layers before it run too, as only the module knows which those are."""

        def scores(value: Tensor) -> Tensor:
            copies = batch.repeat_interleave(len(value) // len(batch), dim=0)
            with self._hooked({tap: lambda module, inputs, output: value.clone()}):
                found: Tensor = self(copies)
            return found

        return scores

    def field(self, tap: str) -> None:
        """None: the receptive field is not known."""

    def class_weights(self) -> dict[str, Tensor]:
        """Empty, as the layers behind the taps are not known."""
        return {}

    @contextmanager
    def _hooked(self, hooks: dict[str, Callable[..., Any]]) -> Iterator[None]:
        handles = [self.module.get_submodule(tap).register_forward_hook(hook) for tap, hook in hooks.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
