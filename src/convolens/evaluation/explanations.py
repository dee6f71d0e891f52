"""How far each method of explaining can be trusted, measured on pictures whose answers are known.

Beside the methods stand two that know nothing: a random map, and a blob in the middle of the picture, where most photos
have their object. A method that does not beat both says nothing about the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.data import Example, Loaded, load, read_data
from convolens.effects.sounds.heard import Heard
from convolens.errors import ArgumentError, MethodError, need_one_of
from convolens.evaluation.result import in_columns
from convolens.explanation import (
    METHODS,
    Explanation,
    box_overlap,
    deletion,
    drop_and_increase,
    explain,
    insertion,
    points_at,
    randomized,
    road,
    similarity,
)
from convolens.explanation.explanation import BOX_THRESHOLD
from convolens.explanation.localization_metrics import BoxXYXY
from convolens.media.files import AnyPath
from convolens.models.classify import Classifier
from convolens.models.localize import Localizer
from convolens.progress import watching

BASELINES = ("random", "center")
THRESHOLDS = tuple(n / 20 for n in range(1, 20))  # fractions of the maximum that are tried
GOOD_FIT = 0.5  # an IoU at or above which a box counts as right: Zhou et al., CVPR 2016, section 3.2
_BLOB = 0.25  # standard deviation of the centred blob, in sides of the picture


class ExplanationScores(dict[str, dict[str, float]]):
    """What `measure_explanations` gives: the numbers of each method, by its name."""

    def summary(self) -> str:
        """The numbers in columns, a line for each method."""
        names = [name for name in _ORDER if any(name in row for row in self.values())]
        head = ("method", *(_SHORT.get(name, name) for name in names))
        rows = [
            (method, *(f"{row[name]:.3f}" if name in row else "" for name in names)) for method, row in self.items()
        ]
        return "\n".join(in_columns([head, *rows]))

    def __str__(self) -> str:
        return self.summary()


def measure_explanations(
    model: Classifier | Localizer,
    data: AnyPath,
    methods: Sequence[str] = (),
    *,
    count: int = 20,
    split: str | None = None,
    seed: int = 0,
    thresholds: Mapping[str, float] | None = None,
    faithful: bool = True,
    progress: bool = True,
) -> ExplanationScores:
    """Every method over the same pictures, each explained for the class that it shows.

    Args:
        model: a classifier or a localizer.
        data: a folder with one folder of pictures for each class, or any other format of `convolens.data`; with boxes,
            maps are also compared with these.
        methods: names from `convolens.explanation.METHODS`; empty takes all that the model allows.
        count: how many pictures, drawn at random; fewer where there are fewer.
        split: `train`, `validation` or `test` of data that has splits; None takes all.
        seed: of the pictures drawn, the random map, and the shuffled network.
        thresholds: for some methods, the fraction of the maximum at or above which a pixel belongs to the box, as
            `box_thresholds` chooses it on other pictures; for the others `BOX_THRESHOLD`.
        faithful: whether to measure what the scores become as pixels are changed: dozens of passes for each map.
        progress: shows a bar with the time left.

    Returns:
        For each method, and for `random` and `center`, the means of:

        - with `faithful`: `deletion` (low is good), `insertion`, `road` (high is good): areas and differences of
          probability; `drop` (low), `increase` (high): of it where only the hot part of the picture is left;
        - `model_randomization`: how alike the map is to that of the network with shuffled weights, for each picture
          shuffled anew, from 0 to 1: a method near 1 does not show what the network learned; `compared`: the
          fraction of pictures this is the mean of, the others having a map that is the same everywhere;
        - with boxes `pointing`, `box_iou` and `box_error` (the fraction of boxes whose overlap is below 0.5);
        - `seconds` a map.

    Raises:
        ArgumentError: no pictures of the split, or a count below 1.
        MethodError: no such method.
    """
    requested, chosen = _checked(methods), thresholds or {}
    random = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, float]]] = {}
    drawn = _drawn(model, data, count, split, random)
    with watching("explanations", len(drawn), show=progress, counted=False) as watched:
        for number, example in enumerate(drawn):
            picture, name, boxes = _explained(model, example)
            shuffled = randomized(model, seed=seed + number)
            for at, (method, found, seconds) in enumerate(_maps(model, picture, name, requested, random), 1):
                figures = _faithfulness(model, found) if faithful else {}
                figures |= _fit(found, boxes, chosen.get(method, BOX_THRESHOLD)) | {"seconds": seconds}
                if method in METHODS:
                    figures |= _shuffled(found, explain(shuffled, picture, target=name, method=method))
                rows.setdefault(method, []).append(figures)
                part = at / (len(requested) + len(BASELINES))
                watched.update(number + part, f"picture {number + 1} of {len(drawn)}, {method}")
    return ExplanationScores({method: _means(several) for method, several in rows.items()})


def box_thresholds(
    model: Classifier | Localizer,
    data: AnyPath,
    methods: Sequence[str] = (),
    *,
    count: int = 20,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """For each method the fraction of the maximum at which its boxes fit best: most of them by at least half.

    Arguments and errors as for `measure_explanations`, on pictures with boxes that are not measured on afterwards.

    Raises:
        ArgumentError: also where no picture drawn has a box.
    """
    requested = _checked(methods)
    random = np.random.default_rng(seed)
    fits: dict[str, list[list[float]]] = {}
    for example in _drawn(model, data, count, split, random):
        picture, name, boxes = _explained(model, example)
        for method, found, _ in _maps(model, picture, name, requested, random) if boxes else ():
            fits.setdefault(method, []).append([box_overlap(found, boxes, one) for one in THRESHOLDS])
    if not fits:
        raise ArgumentError(f"{data}: need pictures with boxes to choose thresholds on, got none")
    return {method: _best_threshold(np.array(overlaps)) for method, overlaps in fits.items()}


_ORDER = (
    "deletion", "insertion", "road", "drop", "increase", "model_randomization", "compared", "pointing", "box_iou",
    "box_error", "seconds",
)  # fmt: skip
_SHORT = {"model_randomization": "randomized"}


def _checked(methods: Sequence[str]) -> tuple[str, ...]:
    for method in methods:
        need_one_of("method", method, METHODS, MethodError)
    return tuple(methods) or tuple(METHODS)


def _drawn(
    model: Classifier | Localizer, data: AnyPath, count: int, split: str | None, random: np.random.Generator
) -> list[Example]:
    """Examples drawn at random, in their order."""
    if not isinstance(model, (Classifier, Localizer)):
        raise ArgumentError("model: need a classifier or a localizer to measure explanations of, got a detector")
    if count < 1:
        raise ArgumentError(f"count: need at least 1 picture, got {count}")
    read = read_data(data, class_names=model.class_names)
    known = [one for one in read.examples if one.labels and split in (None, one.split)]
    if not known:
        raise ArgumentError(
            f"{data}: need pictures whose class is known{f' in split {split}' if split else ''}, got none"
        )
    return [known[at] for at in sorted(random.permutation(len(known))[:count])]


def _explained(model: Classifier | Localizer, example: Example) -> tuple[NDArray[Any], str, list[BoxXYXY]]:
    """The picture, its class and that class's boxes; of a sound the picture that the network takes at once."""
    hearing, label, path = model.preprocessing.sound, example.labels[0], example.path
    model.preprocessing.file(path)  # which refuses pictures of a network that hears, and sounds of one that sees
    loaded = load(replace(example, path=path.by(hearing)) if hearing and isinstance(path, Heard) else example)
    pixels = loaded.pixels if hearing is None else hearing.framed(loaded.pixels)
    return pixels, model.class_names[label], _boxes(loaded, label)


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


def _faithfulness(model: Classifier | Localizer, found: Explanation) -> dict[str, float]:
    drop, rose = drop_and_increase(model, found)
    return {
        "deletion": deletion(model, found).area,
        "insertion": insertion(model, found).area,
        "road": road(model, found),
        "drop": drop,
        "increase": float(rose),
    }


def _fit(found: Explanation, boxes: list[BoxXYXY], threshold: float) -> dict[str, float]:
    if not boxes:
        return {}
    overlap = box_overlap(found, boxes, threshold)
    return {"pointing": float(points_at(found, boxes)), "box_iou": overlap, "box_error": float(overlap < GOOD_FIT)}


def _shuffled(found: Explanation, other: Explanation) -> dict[str, float]:
    """Without a figure where there is nothing to compare."""
    alike = abs(similarity(found, other))
    return {"compared": 0.0} if np.isnan(alike) else {"compared": 1.0, "model_randomization": alike}


def _best_threshold(overlaps: Float[np.ndarray, "pictures thresholds"]) -> float:
    """That of the most good fits; of equals the one whose boxes overlap more."""
    good, mean = (overlaps >= GOOD_FIT).mean(axis=0), overlaps.mean(axis=0)
    return THRESHOLDS[int(np.lexsort((mean, good))[-1])]


def _boxes(loaded: Loaded, label: int) -> list[BoxXYXY]:
    """Those of the class that is explained."""
    return [(float(x1), float(y1), float(x2), float(y2))
            for x1, y1, x2, y2 in loaded.boxes_xyxy[loaded.box_labels == label]]  # fmt: skip


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    columns = {name: [row[name] for row in rows if name in row] for name in _ORDER}
    return {name: float(np.mean(values)) for name, values in columns.items() if values}
