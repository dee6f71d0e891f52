"""How far each way to explain can be trusted, measured on pictures whose answers are known.

Beside the methods stand two that know nothing: a random map, and a blob in the middle of the picture, where most photos
have their object. A method that does not beat both says nothing about the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError, MethodError
from convolens.media.files import AnyPath
from convolens.tasks.classify import Classifier
from convolens.tasks.explain import (
    METHODS,
    Explainable,
    Explanation,
    box_overlap,
    deletion,
    drop_and_increase,
    explain,
    insertion,
    points_at,
    randomised,
    road,
    similarity,
)
from convolens.tasks.explain.truth import BoxXYXY
from convolens.tasks.localize import Localizer
from convolens.workflows.data import Loaded, load, read_data

BASELINES = ("random", "centre")
_BLOB = 0.25  # standard deviation of the centred blob, in sides of the picture


def measure_explanations(
    model: Classifier | Localizer,
    data: AnyPath,
    methods: Sequence[str] = (),
    *,
    count: int = 20,
    part: str | None = None,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Every method over the same pictures, each explained for the class that it shows.

    Args:
        model: a classifier or a localizer.
        data: a folder with one folder of pictures for each class, or any other format of `workflows.data`; with boxes,
            maps are also held against these.
        methods: names from `convolens.tasks.explain.METHODS`; empty takes all that the model allows.
        count: how many pictures, drawn at random; fewer where there are fewer.
        part: `train`, `validation` or `test` of data that has parts; None takes all.
        seed: of the pictures drawn, the random map, and the shuffled network.

    Returns:
        For each method, and for `random` and `centre`, the means of:

        - `deletion` (low is good), `insertion`, `road` (high is good): areas and differences of probability;
        - `drop` (low), `increase` (high): of the probability where only the hot part of the picture is left;
        - `same_when_shuffled`: how alike the map is to that of the network with shuffled weights, from 0 to 1: a method
          near 1 does not show what the network learned;
        - with boxes `pointing`, `box_iou` and `box_error` (the share of boxes whose overlap is below 0.5);
        - `seconds` a map.

    Raises:
        ArgumentError: no pictures of the part, or a count below 1.
        MethodError: no such method.
    """
    if count < 1:
        raise ArgumentError(f"count: need at least 1 picture, got {count}")
    for method in methods:
        if method not in METHODS:
            raise MethodError(f"method: need one of {', '.join(METHODS)}, got {method!r}")
    read = read_data(data, class_names=model.class_names)
    known = [one for one in read.examples if one.labels and part in (None, one.part)]
    if not known:
        raise ArgumentError(f"{data}: need pictures whose class is known{f' in part {part}' if part else ''}, got none")
    random = np.random.default_rng(seed)
    drawn = [known[at] for at in sorted(random.permutation(len(known))[:count])]
    subject = model.explained() if isinstance(model, Localizer) else model
    shuffled = randomised(model, seed=seed)
    rows: dict[str, list[dict[str, float]]] = {}
    for example in drawn:
        loaded, name = load(example), model.class_names[example.labels[0]]
        picture, boxes = loaded.pixels, _boxes(loaded, example.labels[0])
        for method, found, seconds in _maps(model, picture, name, methods or tuple(METHODS), random):
            figures = _figures(subject, found, boxes) | {"seconds": seconds}
            if method in METHODS:
                other = explain(shuffled, picture, target=name, method=method)
                figures["same_when_shuffled"] = abs(similarity(found, other))
            rows.setdefault(method, []).append(figures)
    return {method: _means(several) for method, several in rows.items()}


def table(measured: dict[str, dict[str, float]]) -> str:
    """The figures in columns, a method a line."""
    names = [name for name in _ORDER if any(name in row for row in measured.values())]
    lines = ["  ".join([f"{'method':<20}", *(f"{name:>10}" for name in (_SHORT.get(n, n) for n in names))])]
    for method, row in measured.items():
        cells = (f"{row[name]:>10.3f}" if name in row else f"{'':>10}" for name in names)
        lines.append("  ".join([f"{method:<20}", *cells]))
    return "\n".join(lines)


_ORDER = (
    "deletion", "insertion", "road", "drop", "increase", "same_when_shuffled", "pointing", "box_iou", "box_error",
    "seconds",
)  # fmt: skip
_SHORT = {"same_when_shuffled": "shuffled"}


def _maps(
    model: Classifier | Localizer, picture: NDArray[Any], name: str, methods: Sequence[str], random: np.random.Generator
) -> Iterator[tuple[str, Explanation, float]]:
    """Each method's map of a picture and the seconds it took; then those of the two that know nothing."""
    found = None
    for method in methods:
        start = time.perf_counter()
        try:
            found = explain(model, picture, target=name, method=method)
        except MethodError:  # cam, where the head does not pool
            continue
        yield method, found, time.perf_counter() - start
    if found is not None:
        for method in BASELINES:
            yield method, replace(found, heatmap=_ignorant(method, picture.shape[:2], random), method=method), 0.0


def _ignorant(kind: str, size: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    if kind == "random":
        return random.random(size, dtype=np.float32)
    down, across = (((np.arange(side) + 0.5) / side - 0.5) / _BLOB for side in size)
    blob: NDArray[np.float32] = np.exp(-(down[:, None] ** 2 + across**2) / 2).astype(np.float32)
    return blob


def _figures(model: Explainable, found: Explanation, boxes: list[BoxXYXY]) -> dict[str, float]:
    drop, rose = drop_and_increase(model, found)
    figures = {
        "deletion": deletion(model, found).area,
        "insertion": insertion(model, found).area,
        "road": road(model, found),
        "drop": drop,
        "increase": float(rose),
    }
    if boxes:
        overlap = box_overlap(found, boxes)
        figures |= {
            "pointing": float(points_at(found, boxes)),
            "box_iou": overlap,
            "box_error": float(overlap < 0.5),
        }
    return figures


def _boxes(loaded: Loaded, label: int) -> list[BoxXYXY]:
    """Those of the class that is explained."""
    return [(float(x1), float(y1), float(x2), float(y2))
            for x1, y1, x2, y2 in loaded.boxes_xyxy[loaded.box_labels == label]]  # fmt: skip


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = {name for row in rows for name in row}
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}
