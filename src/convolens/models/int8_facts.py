"""What a model's file says of its levels: how its layers' inputs become 8-bit integers, and what was lost by that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from convolens.errors import WeightsError
from convolens.layers.levels import HIGHEST, LEAST_STEP, Levels, give_levels, given_levels


def int8_facts(model: nn.Module, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The fact `int8` of a quantized model: `levels` by layer (step, lowest), and what was `measured`; else nothing."""
    levels = {name: [one.step, one.lowest] for name, one in given_levels(model).items()}
    return {"int8": {"levels": levels, "measured": dict(measured)}} if levels else {}


def read_int8_facts(model: nn.Module, fact: Any, path: Path) -> None:
    """Gives a model's layers the levels that its file states, if any.

    Raises:
        WeightsError: levels that are none, or of layers that the model does not have.
    """
    if fact is None:
        return
    stated = fact.get("levels") if isinstance(fact, dict) else None
    measured = fact.get("measured") if isinstance(fact, dict) else None
    convolutions = {name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}
    known = isinstance(stated, dict) and isinstance(measured, dict) and set(stated) <= convolutions
    if not (known and isinstance(stated, dict) and all(map(_are_levels, stated.values()))):
        raise WeightsError(f"{path}: need levels of its layers' inputs under 'int8' in its header, got {fact!r:.80}")
    give_levels(model, {name: Levels(float(step), lowest) for name, (step, lowest) in stated.items()})
    model.int8 = measured  # type: ignore[assignment] # an attribute that every model has


def _are_levels(stated: Any) -> bool:
    if not (isinstance(stated, list) and len(stated) == 2):
        return False
    step, lowest = stated
    numbers = isinstance(step, int | float) and isinstance(lowest, int)
    truth = isinstance(step, bool) or isinstance(lowest, bool)
    return numbers and not truth and LEAST_STEP <= step < 1 / LEAST_STEP and -HIGHEST <= lowest <= 0
