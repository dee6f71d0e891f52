"""A file's answers against the model's, picture by picture; where they differ, which part does.

Three stages are compared: the batch that preprocessing makes, the network's outputs, and the answers that follow from
those. Only the outputs and answers decide; the batch says where a difference comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ExportError
from convolens.exported.detect import settings_of
from convolens.exported.facts import BATCH, PICTURE
from convolens.exported.session import open_session, run
from convolens.exporting.tasks import Exportable, Kind
from convolens.models.detect.decoding import select
from convolens.models.inputs import evaluating, need_finite
from convolens.selection import LOWEST, Selection

MOST_PROBABILITY = 1e-4
MOST_PIXELS = 0.5
MOST_FEATURE = 1e-3  # of the map's largest value
# Of white: what rounding may do to a resized pixel. Only says where a difference comes from.
_MOST_BATCH = 2e-3
_MOST_PLACED = 1e-2  # pixels: what rounding may do to a corner that is multiplied by a picture's side

SHAPES = ((64, 64), (48, 97), (97, 61), (33, 200), (200, 33), (224, 224), (256, 341), (31, 31), (300, 233), (120, 640))


@dataclass
class Differences:
    """How many pictures were compared, and the largest difference of each kind.

    Attributes:
        pictures: how many.
        probability: in probabilities.
        pixels: in corners of boxes, in pixels of the picture.
        feature: in features, as a fraction of a map's largest value.
    """

    pictures: int = 0
    largest: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, value: float) -> None:
        """Takes a difference in."""
        self.largest[kind] = max(self.largest.get(kind, 0.0), value)

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return {"pictures": self.pictures, **self.largest}


def generated(channels: int, least_side: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures of ten shapes: soft patches with noise on them, the same each time."""
    random = np.random.default_rng(0)
    for height, width in SHAPES:
        height, width = max(height, least_side), max(width, least_side)
        patches = random.random((-(-height // 16), -(-width // 16), channels)).repeat(16, 0).repeat(16, 1)
        noise = random.normal(0, 0.1, (height, width, channels))
        yield ((patches[:height, :width] + noise).clip(0, 1) * 255).astype(np.uint8)


def compare(model: bytes, exported: Exportable, takes: str, pictures: Iterable[NDArray[np.uint8]]) -> Differences:
    """Compares a file's answers with the model's.

    Args:
        model: the file; behind its own outputs it gives the batch and the network's outputs.
        exported: what went into it.
        takes: its input.
        pictures: uint8 `(H, W, C)`.

    Raises:
        ExportError: they differ, with the picture, where and how much.
        WeightsError: ONNX Runtime cannot run it, or the model's scores are no numbers.
    """
    session = open_session(model, "the exported model")
    found = Differences()
    preprocess = exported.trunk.preprocess
    with evaluating(exported.module):
        for pixels in pictures:
            name = f"picture {found.pictures + 1} ({pixels.shape[0]}×{pixels.shape[1]})"
            batch = preprocess([pixels])
            given = {PICTURE: pixels}.get(takes, batch.numpy() if takes == BATCH else pixels[None])
            theirs = list(run(session, {takes: given}, name).values())
            ours = [need_finite(one).numpy() for one in exported.module(batch)]
            watched = theirs[-1 - len(ours) :]
            _compare_network(exported, pixels.shape, batch.numpy(), ours, watched, found, name)
            if takes != BATCH:
                _compare_answers(session, exported, given, takes, watched[1:], theirs[: -1 - len(ours)], name)
            found.pictures += 1
    return found


def _compare_network(
    exported: Exportable,
    shape: tuple[int, ...],
    batch: NDArray[Any],
    ours: list[NDArray[Any]],
    watched: list[NDArray[Any]],
    found: Differences,
    name: str,
) -> None:
    preprocessing = exported.trunk.preprocessing
    deviation = np.reshape(preprocessing.deviation, (1, -1, 1, 1))
    is_same = batch.shape == watched[0].shape
    of_white = float((abs(batch - watched[0]) * abs(deviation)).max()) / preprocessing.white if is_same else np.inf
    where = "preprocessing" if of_white > _MOST_BATCH else "the network"
    for output, mine, other in zip(exported.outputs, ours, watched[1:], strict=True):
        kind, value, most = _difference(output.kind, mine, other, shape)
        if not value <= most:  # so worded that NaN is refused too
            raise ExportError(
                f"{name}: need the same answers from ONNX Runtime as from the model, got {output.name} that differ by "
                f"{value:.3g} ({kind}); what differs is {where}"
            )
        found.add(kind, value)


def _difference(
    kind: Kind, mine: NDArray[Any], other: NDArray[Any], shape: tuple[int, ...]
) -> tuple[str, float, float]:
    """What is measured, how large it is, and how large it may be."""
    if mine.shape != other.shape:
        return "another shape", np.inf, 0.0
    apart = abs(mine.astype(np.float64) - other)
    if kind == "probability":
        return "probability", float(apart.max()), MOST_PROBABILITY
    if kind == "fraction":
        return "pixels", float((apart * np.array([shape[1], shape[0]] * 2)).max()), MOST_PIXELS
    return "feature", float(apart.max() / max(abs(mine).max(), 1e-6)), MOST_FEATURE


def _compare_answers(
    session: Any,
    exported: Exportable,
    given: NDArray[Any],
    takes: str,
    network: list[NDArray[Any]],
    answers: list[NDArray[Any]],
    name: str,
) -> None:
    """Whether the answers are those that follow from the network's outputs."""
    height, width = given.shape[-3:-1]
    sides = np.array([width, height, width, height], np.float32)
    if exported.task != "detect":
        for output, of_network, answer in zip(exported.outputs, network, answers, strict=True):
            expected = of_network * sides if output.kind == "fraction" else of_network
            if abs(expected.reshape(answer.shape) - answer).max() > _MOST_PLACED:
                raise _wrong(name, output.name)
        return
    for threshold in (Selection().threshold, LOWEST):
        selection = Selection(threshold)
        boxes, scores, labels, numbers = list(
            run(session, {takes: given, **settings_of(selection)}, name).values()
        )[:4]  # fmt: skip
        likely, corners = map(np.ascontiguousarray, network)
        ((default, kind, score),) = select(likely, corners, selection)
        if not (np.array_equal(numbers, default) and np.array_equal(labels, kind) and np.array_equal(scores, score)):
            raise _wrong(name, "objects")
        if len(boxes) and abs(corners[0, default] * sides - boxes).max() > _MOST_PLACED:
            raise _wrong(name, "boxes")


def _wrong(name: str, what: str) -> ExportError:
    return ExportError(
        f"{name}: need the same answers from ONNX Runtime as from the model, got other {what}; what differs is decoding"
    )
