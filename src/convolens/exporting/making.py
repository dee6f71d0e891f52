"""A file's content from a model: built, compared with the model, brought to 8 bits where that is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, NamedTuple

from convolens.errors import ArgumentError
from convolens.exported.facts import Facts
from convolens.exported.pictures import as_eight_bit
from convolens.exporting.eight_bits import EightBits
from convolens.exporting.tasks import Exportable


class Made(NamedTuple):
    """A file's content, and what it says of itself."""

    content: bytes
    facts: Facts


def make(
    own: Exportable,
    takes: str,
    opset: int,
    check: Sequence[Any] | None,
    eight_bits: EightBits | None,
    lost: Mapping[str, Any] | None = None,
) -> Made:
    """Makes a file's content.

    Args:
        own: the model.
        takes: the name of its input.
        opset: the version of ONNX's operators.
        check: pictures to compare answers on; None generates some.
        eight_bits: what brings it to 8 bits.
        lost: what was measured with that, if it has been measured already.

    Raises:
        ArgumentError: no picture, or a network that cannot be exported as it is.
        ExportError: torch cannot express it, ONNX Runtime answers otherwise, or 8 bits lose too much.
    """
    from convolens.exporting.build import build, least_side, network_of, to_bytes  # only here: they need onnx
    from convolens.exporting.check import compare, generated

    channels, least = len(own.trunk.preprocessing.mean), least_side(own)
    body = network_of(own, opset, least)
    graph, watched = build(own, takes, body)
    pictures = generated(channels, least) if check is None else (as_eight_bit(one, channels, least) for one in check)
    differences = compare(to_bytes(graph.model(opset, {}, watched=watched)), own, takes, pictures).to_dict()
    if not differences["pictures"]:
        raise ArgumentError("check: need at least one picture, got none")
    facts = _facts(own, takes, least, differences)
    if eight_bits is not None:
        small = eight_bits.quantized(body, least)
        found = lost or eight_bits.need_few_lost(body, small, facts, opset)
        graph, facts = build(own, takes, small)[0], replace(facts, int8=dict(found))
    return Made(to_bytes(graph.model(opset, facts.to_metadata())), facts)


def _facts(own: Exportable, takes: str, least: int, check: dict[str, float]) -> Facts:
    return Facts(
        task=own.task,
        class_names=list(own.class_names),
        takes=takes,
        preprocessing=own.trunk.preprocessing.to_dict(),
        least_side=least,
        multi_label=own.multi_label,
        metrics=dict(own.metrics or {}),
        check=check,
        version=version("convolens"),
        grid=dict(own.grid or {}),
    )
