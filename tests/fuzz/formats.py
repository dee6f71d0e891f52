"""All formats that are read, by family, and the two sets of mutators."""

from __future__ import annotations

from tests.fuzz import (
    annotations,
    exports,
    kernels,
    networks,
    onnx_files,
    pictures,
    predictions,
    projects,
    second,
    shards,
    shares,
    sounds,
    weights,
)
from tests.fuzz.form import Change, Format

FORMATS: dict[str, Format] = {
    **sounds.FORMATS,
    **pictures.FORMATS,
    **weights.FORMATS,
    **networks.FORMATS,
    **onnx_files.FORMATS,
    **annotations.FORMATS,
    **exports.FORMATS,
    **projects.FORMATS,
    **shards.FORMATS,
    **kernels.FORMATS,
    **predictions.FORMATS,
    **shares.FORMATS,
}
MUTATORS = ("first", "second")


def change_of(kind: str, mutators: str) -> Change:
    """How files of the kind are changed."""
    return second.change_of(kind, FORMATS) if mutators == "second" else FORMATS[kind].change
