"""A network as an ONNX model, by torch's exporter: of one input size, or of any where preprocessing leaves it open."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import nn

from convolens.errors import ExportError
from convolens.trunks import Preprocessing

_SMALLEST = 64  # an example is at least so large: torch takes sizes of 0 and 1 for constants


def fixed_size(preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Height and width that every picture is brought to; None where they depend on the picture."""
    if preprocessing.crop is not None:
        return preprocessing.crop, preprocessing.crop
    return None if preprocessing.stretch is None else preprocessing.resized(1, 1)


def network(
    module: nn.Module, size: tuple[int, int] | None, channels: int, least: int, outputs: Sequence[str], opset: int
) -> onnx.ModelProto:
    """The module as a model from `batch` to `outputs`, for batches of any number.

    Args:
        module: takes `(N, C, height, width)`, gives a tuple.
        size: height and width of the batch; None: any.
        channels: of the batch.
        least: pixels that a side of the batch must have, where any size may come.
        outputs: their names.
        opset: the version of ONNX's operators.

    Raises:
        ExportError: torch cannot express it in ONNX.
    """
    any_size = torch.export.Dim.DYNAMIC
    dynamic: dict[int, Any] = {0: any_size} | ({2: any_size, 3: any_size} if size is None else {})
    side = max(least, _SMALLEST)
    height, width = size or (side, side + 32)
    example = torch.zeros(2, channels, height, width)
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                module, (example,), dynamo=True, opset_version=opset, input_names=["batch"],
                output_names=list(outputs), dynamic_shapes=({**dynamic},), verbose=False,
            )  # fmt: skip
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ExportError(f"model: need one that torch can express in ONNX, got: {reason:.300}") from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that are not needed and of torch's own future."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
