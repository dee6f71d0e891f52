"""What exported models of all tasks are: a session, what the file says of itself, and pictures through it.

A file is compared with what it says of itself when it is opened: another number of classes, other outputs or another
input are refused.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError, WeightsError, need_one_of
from convolens.exported.facts import BATCH, PICTURE, PICTURES, Facts
from convolens.exported.pictures import as_eight_bit
from convolens.exported.session import run
from convolens.forks import cached_property
from convolens.media.pixels import Picture, as_pictures
from convolens.results import Detections, Inspection, Location, Prediction, remembered

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Outputs = dict[str, NDArray[Any]]
Result = TypeVar("Result", Prediction, Location, Detections, Inspection)


class ExportedModel:
    """A model in an ONNX file. Made by `convolens.load`.

    Attributes:
        task: `classify`, `localize`, `detect`, `unusual`, `features` or `edges`.
        class_names: one for each class; none for features and edges.
        metrics: what was measured on pictures that the model was not trained on.
        facts: all that the file says of itself.
    """

    task: str

    def __init__(self, path: Path, session: InferenceSession, facts: Facts) -> None:
        self.path, self.facts = path, facts
        self.class_names, self.metrics = tuple(facts.class_names), dict(facts.metrics)
        self._session = session
        self._channels = _checked_channels(path, session, facts)
        self._check_outputs({one.name: one.shape for one in session.get_outputs()})

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the file."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {len(self.class_names)} classes)"

    @abstractmethod
    def _check_outputs(self, shapes: Mapping[str, Sequence[Any]]) -> None:
        """Refuses a file whose outputs are not those of the task, or not for its classes."""

    def _need_outputs(self, shapes: Mapping[str, Sequence[Any]], wanted: Mapping[str, Sequence[int | None]]) -> None:
        """Raises where the outputs' names or the sizes that matter are others."""
        first = [None] * (self.facts.takes == PICTURES)
        for name, sizes in wanted.items():
            found = shapes.get(name)
            expected = [*first, *sizes]
            if found is None or len(found) != len(expected):
                raise self._lies(f"an output {name!r} of {len(expected)} axes", found)
            if any(size is not None and size != is_size for size, is_size in zip(expected, found, strict=True)):
                raise self._lies(f"an output {name!r} for its {len(self.class_names)} classes", found)

    def _lies(self, need: str, found: object) -> WeightsError:
        return WeightsError(f"{self.path}: need {need}, got {found}; its metadata is not that of its graph")

    def _answers(self, images: object, batch: int, **settings: NDArray[Any]) -> Iterator[tuple[Outputs, Any, Any]]:
        """For each picture its outputs, its pixels, and what a result keeps of it."""
        if batch < 1:
            raise ArgumentError(f"batch: need at least 1 picture, got {batch}")
        size = batch if self.facts.takes == PICTURES else 1
        for pixels, kept in _alike(self._read(images), size):
            given = np.stack(pixels) if self.facts.takes == PICTURES else pixels[0]
            found = run(self._session, {self.facts.takes: given, **settings}, self.path)
            for name, value in found.items():
                self._need_numbers(name, value, len(pixels))
            for number, (one, keep) in enumerate(zip(pixels, kept, strict=True)):
                yield {name: _own(value, number, self.facts.takes) for name, value in found.items()}, one, keep

    def _read(self, images: object) -> Iterator[tuple[NDArray[np.uint8], Picture | None]]:
        for picture, kept in remembered(as_pictures(images)[0]):
            yield as_eight_bit(picture, self._channels, self.facts.least_side), kept

    def _need_numbers(self, name: str, value: object, pictures: int) -> None:
        """Refuses an output that is no array of finite numbers, or not one for each picture."""
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise self._lies(f"an output {name!r} of numbers", getattr(value, "dtype", type(value).__name__))
        if self.facts.takes == PICTURES and value.shape[:1] != (pictures,):
            raise self._lies(f"an output {name!r} for each of {pictures} pictures", value.shape)
        if not np.isfinite(value).all():
            raise WeightsError(f"{self.path}: need finite scores, got NaN or infinity; its weights are damaged")


def results_of(images: object, found: Iterable[Result]) -> Result | list[Result]:
    """One result; for several pictures a list."""
    results = list(found)
    return results if as_pictures(images)[1] else results[0]


def _checked_channels(path: Path, session: InferenceSession, facts: Facts) -> int:
    """The input's channels, if it is the one that the facts name."""
    if facts.takes == BATCH:
        raise WeightsError(
            f"{path}: need a model that takes pictures, got one of preprocessed batches; export it without --raw"
        )
    need_one_of(f"{path}: its input", facts.takes, (PICTURE, PICTURES), WeightsError)
    axes = 3 + (facts.takes == PICTURES)
    inputs = [(one.name, one.type, len(one.shape)) for one in session.get_inputs()]
    if inputs != [(facts.takes, "tensor(uint8)", axes)]:
        raise WeightsError(f"{path}: need one input {facts.takes!r}, uint8, of {axes} axes, got {inputs}")
    channels = session.get_inputs()[0].shape[-1]
    if not isinstance(channels, int):
        raise WeightsError(f"{path}: need an input of a fixed number of channels, got {channels!r}")
    return channels


def _alike(
    read: Iterable[tuple[NDArray[np.uint8], Picture | None]], size: int
) -> Iterator[tuple[list[NDArray[np.uint8]], list[Picture | None]]]:
    """Neighbors of one size, at most so many."""
    pixels: list[NDArray[np.uint8]] = []
    kept: list[Picture | None] = []
    for one, keep in read:
        if pixels and (len(pixels) == size or one.shape != pixels[0].shape):
            yield pixels, kept
            pixels, kept = [], []
        pixels.append(one)
        kept.append(keep)
    if pixels:
        yield pixels, kept


def _own(value: NDArray[Any], number: int, takes: str) -> NDArray[Any]:
    """A picture's part of an output."""
    return value[number] if takes == PICTURES else value
