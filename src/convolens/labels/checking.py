"""A data set's labels looked through: features once, heads of other folds, and the doubtful labels ranked.

Cost: one pass of the trunk over all pictures, then seconds. Memory: 8 bytes × features × pictures, and the folds'
probabilities; pictures are read one batch at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_flag, as_real, as_whole
from convolens.data import DataSet, Example
from convolens.data.dataset import need_one_label
from convolens.data.reading import read_sound, read_with_faults
from convolens.errors import DataError
from convolens.labels.confident import Confidence, judge
from convolens.labels.found import LabelCheck, Suspect
from convolens.labels.neighbors import nearest_of_class
from convolens.media.files import AnyPath
from convolens.media.inputs import reads
from convolens.memory import need_memory
from convolens.models.classify import classifier
from convolens.models.heads import PooledHead
from convolens.training.chosen import input_size, suited_tap, weights_at_hand
from convolens.training.fold_fit import standardized
from convolens.training.head import pooled_features
from convolens.training.train import TRUNK
from convolens.trunks.registry import trunk as make_trunk

FOLDS = 5
BATCH = 16  # pictures at once through the trunk
AT_LEAST = 0.5  # more likely wrong than right
FEW = 20  # pictures of a class, below which little can be told of it
ALIKE = 0.2  # fraction of a class's pictures that heads predict as one other, from which the two are named
CLOSE = 1.96  # standard deviations of an interval of 95%


@reads("data", "weights")
def check_labels(
    data: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    trunk: str | None = None,
    weights: AnyPath | None = None,
    taps: Sequence[str] | str | None = None,
    size: int | None = None,
    folds: int = FOLDS,
    at_least: float = AT_LEAST,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> LabelCheck:
    """Finds labels that are likely wrong, without a model of one's own.

    Every picture goes through a trunk once. Linear heads on its features, each found on the other folds, say what each
    picture shows; where that speaks against the label more than the heads' usual mistakes explain, it is a suspect.

    Args:
        data: of any format, with one label for each picture.
        format: its name, where it is not to be guessed.
        trunk: the network whose features are looked at. None: one whose weights are at hand, as `train` chooses.
        weights: of the trunk: a name or a file.
        taps: the trunk's taps (layers) that the heads look at. None: the deepest that still says where.
        size: the side in pixels that pictures are brought to. None: as the weights' preprocessing leaves them.
        folds: parts of the pictures; each is judged by heads found on the others.
        at_least: the probability of being wrong from which a label is a suspect.
        seed: of the folds.
        device: where the trunk runs: `auto` (the GPU where there is one), `cpu`, `cuda`, …
        progress: shows a bar with the time left.

    Raises:
        ArgumentError: no such trunk, tap or format, or a value that cannot be used.
        DataError: pictures with no label or several, or fewer than two classes with two pictures that can be used.
        FileError, WeightsError: the data or the weights cannot be read.
        MemoryRefused: the features are more than the budget of memory.
    """
    folds = as_whole(folds, "folds", 2)
    as_flag(progress, "progress")
    seed = as_whole(seed, "seed", 0)
    at_least = float(as_real(at_least, "at_least", "a probability from 0 to 1", lambda value: 0 <= value <= 1))
    found = _read(data, format)
    if trunk is None:
        trunk, weights = weights_at_hand("classify") if weights is None else (TRUNK, weights)
    body = make_trunk(trunk, weights=weights, seed=seed, device=device)
    if size is not None:
        body.preprocessing = body.preprocessing.cropped(as_whole(size, "size", 1))
    if taps is None and (shown := input_size(body.preprocessing, found)) is not None:
        taps = suited_tap(body, *shown)
    names = found.class_names if len(found.class_names) > 1 else (*found.class_names, "anything else")
    model = classifier(body, classes=names, taps=taps, seed=seed)
    assert isinstance(model.head, PooledHead)  # classifier makes it so
    need_memory(
        8.0 * len(found) * model.head.linear.in_features, f"{data}: features of {len(found):,} pictures",
        "take a tap with fewer features",
    )  # fmt: skip
    pooled = pooled_features(model, found, BATCH, "features", progress)
    labels = np.array([example.labels[0] for example in pooled.examples])
    judgeable = _of_classes_with_two(labels, found)
    examples = [pooled.examples[number] for number in np.flatnonzero(judgeable)]
    features = pooled.features if judgeable.all() else pooled.features[judgeable]
    x = standardized(features).values
    present, own = np.unique(labels[judgeable], return_inverse=True)
    class_names = [found.class_names[number] for number in present]
    verdicts = judge(x, own, len(present), min(folds, len(own)), seed)
    suspects = _suspects(x, own, verdicts, examples, class_names, at_least)
    interval = _wilson(verdicts.agreement, len(own))
    return LabelCheck(
        found, len(own), verdicts.agreement, interval, float(verdicts.wrong.sum()), suspects,
        _mistaken(verdicts, own, class_names),
        tuple(_notes(labels, judgeable, found, own, class_names, verdicts.agreement, interval)),
        tuple(dict.fromkeys(pooled.skipped)),
    )  # fmt: skip


def _read(path: AnyPath, format_name: str | None) -> DataSet:
    """The data; a class without pictures is no hindrance here."""
    reading = read_with_faults(path, format=format_name)
    if any(one.kind != "empty class" for one in reading.faults):
        return read_sound(path, format=format_name)  # which refuses it
    if reading.data.kind != "label":
        raise DataError(
            f"{path}: need one label for each picture to judge, got {reading.data.kind}; "
            "convolens doctor without --labels looks through boxes"
        )
    need_one_label(reading.data)
    return reading.data


def _of_classes_with_two(labels: NDArray[Any], data: DataSet) -> NDArray[Any]:
    """Which pictures can be judged: those of classes that have another picture to learn from."""
    counts = np.bincount(labels, minlength=len(data.class_names))
    if (counts > 1).sum() < 2:
        raise DataError(
            f"{data.root}: need two classes with at least two pictures that can be used, to tell them apart, got "
            f"{(counts > 1).sum()}"
        )
    found: NDArray[Any] = counts[labels] > 1
    return found


def _suspects(
    x: Any, labels: NDArray[Any], verdicts: Confidence, examples: Sequence[Example], names: Sequence[str], least: float
) -> tuple[Suspect, ...]:
    order = np.argsort(-verdicts.wrong, kind="stable")
    chosen = [int(number) for number in order if verdicts.wrong[number] >= least]
    trusted = verdicts.wrong < AT_LEAST
    likely = verdicts.likely
    ones = nearest_of_class(x, chosen, [int(labels[number]) for number in chosen], labels, trusted)
    others = nearest_of_class(x, chosen, [int(likely[number]) for number in chosen], labels, trusted)
    return tuple(
        Suspect(
            examples[number].path, names[labels[number]], names[likely[number]], float(verdicts.wrong[number]),
            None if one is None else examples[one].path, None if other is None else examples[other].path,
        )
        for number, one, other in zip(chosen, ones, others, strict=True)
    )  # fmt: skip


def _mistaken(verdicts: Confidence, labels: NDArray[Any], names: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    counts = np.bincount(labels, minlength=len(names))
    wrong = verdicts.mistaken - np.diag(np.diag(verdicts.mistaken))
    pairs = np.argwhere(wrong >= ALIKE * counts[:, None])
    ordered = sorted(((names[a], names[b], int(wrong[a, b])) for a, b in pairs if wrong[a, b]), key=lambda one: -one[2])
    return tuple(ordered)


def _notes(
    labels: NDArray[Any],
    judgeable: NDArray[Any],
    data: DataSet,
    own: NDArray[Any],
    names: Sequence[str],
    agreement: float,
    interval: tuple[float, float],
) -> list[str]:
    """How little can be told, in sentences."""
    notes = []
    alone = [data.class_names[number] for number in np.unique(labels[~judgeable])]
    empty = [name for number, name in enumerate(data.class_names) if not (labels == number).any()]
    if alone:
        notes.append(f"classes with one picture, which cannot be judged: {', '.join(alone)}")
    if empty:
        notes.append(f"classes without pictures: {', '.join(empty)}")
    counts = Counter(own.tolist())
    few = [f"{names[number]} {count:,}" for number, count in sorted(counts.items()) if count < FEW]
    if few:
        notes.append(
            f"little can be told of classes with fewer than {FEW} pictures ({', '.join(few)}): heads are right in "
            f"{interval[0]:.0%} to {interval[1]:.0%} of all labels, so look at each suspect yourself"
        )
    commonest = max(counts.values()) / len(own)
    if interval[0] <= commonest:
        notes.append(
            f"these features hardly tell the classes apart: {agreement:.0%} of the labels are predicted, and "
            f"{commonest:.0%} have the commonest class; suspects mean little; try another tap, trunk or size"
        )
    return notes


def _wilson(fraction: float, count: int) -> tuple[float, float]:
    """The interval of 95% for a fraction of a count (Wilson, 1927)."""
    middle = fraction + CLOSE**2 / (2 * count)
    spread = CLOSE * (fraction * (1 - fraction) / count + CLOSE**2 / (4 * count**2)) ** 0.5
    whole = 1 + CLOSE**2 / count
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)
