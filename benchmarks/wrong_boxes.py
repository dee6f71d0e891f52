"""Boxes made wrong in pictures of many digits, and how many of the first named are they; for `benchmarks.labels`.

500 pictures as the tour's four were made, on a background that the tour's detector never saw. Of their boxes 8% are
removed, shifted (by 0.2 to 0.5 of a side along one axis or both), given another class, or invented (of another box's
size, where they overlap no other by more than 0.3). Precision of the first k that are said to be of that kind, where k
were made wrong; and of the first k of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from convolens.boxes import overlap
from convolens.data import Box, DataSet, Example, read_data
from convolens.evaluation.detections import Found
from convolens.labels.checking_boxes import check_boxes
from convolens.labels.detections import detected_by
from convolens.labels.found import INVENTED, KINDS, MISSING, SHIFTED, Suspect
from examples.many_digits_on_photos import write_many_digits

PICTURES, SIDE, RATE = 500, 128, 0.08
HALF = 0.5  # IoU of a missing box and the one that is suggested
Wrong = list[tuple[Path, Box]]


def measure_boxes(seeds: int) -> None:
    """Prints precision for each kind of mistake."""
    with TemporaryDirectory() as folder:
        write_many_digits(Path(folder), train=0, test=PICTURES, side=SIDE)
        data = read_data(Path(folder, "test"))
        with as_file(files("convolens.tour") / "digits" / "digits.safetensors") as model:
            found, examples, _ = detected_by(model, data, device="cpu", progress=False)
        clean = check_boxes(data, found, examples, (), folds=5, at_least=0.5, seed=0)
        print(f"{len(examples)} pictures of digits, {clean.judged:,} boxes: {clean.verdict}", flush=True)
        for kind in KINDS:
            rows = np.array([_trial(data, examples, found, kind, seed) for seed in range(seeds)])
            of_kind, of_all, expected = rows.mean(axis=0)
            least = rows[:, 0].min()
            print(f"  {kind:<9} precision of the first k of its kind {of_kind:.3f} (least {least:.3f}), of all "
                  f"{of_all:.3f}; expected {expected:.2f} of them", flush=True)  # fmt: skip


def _trial(
    data: DataSet, examples: Sequence[Example], found: Sequence[Found], kind: str, seed: int
) -> tuple[float, float, float]:
    made, wrong = spoiled(examples, kind, len(data.class_names), seed)
    checked = check_boxes(data.having(made), found, made, (), folds=5, at_least=0.0, seed=seed)
    mine = [one for one in checked.suspects if one.kind == kind]
    count = len(wrong)
    return (
        sum(_is_one(one, wrong) for one in mine[:count]) / count,
        sum(_is_one(one, wrong) for one in checked.suspects[:count]) / count,
        sum(one.probability for one in mine) / count,
    )


def _is_one(one: Suspect, wrong: Wrong) -> bool:
    here = [box for path, box in wrong if path == one.path]
    if one.box_xyxy is not None:
        return any(one.box_xyxy == box.xyxy for box in here)
    return any(overlap(np.array(one.suggested_box), np.array(box.xyxy, np.float64)) >= HALF for box in here)


def spoiled(examples: Sequence[Example], kind: str, classes: int, seed: int) -> tuple[list[Example], Wrong]:
    """The examples with `RATE` of their boxes wrong, and each that is: as it is said, or was where it is missing."""
    random = np.random.default_rng(seed)
    boxes = [list(example.boxes) for example in examples]
    every = [(number, at) for number, some in enumerate(boxes) for at in range(len(some))]
    chosen = random.choice(len(every), round(RATE * len(every)), replace=False)
    wrong: Wrong = []
    gone = set()
    for number, at in (every[one] for one in chosen):
        box = examples[number].boxes[at]
        if kind == MISSING:
            gone.add((number, at))
            wrong.append((examples[number].file, box))
            continue
        if kind == INVENTED:
            number = int(random.integers(len(examples)))
            boxes[number].append(made := _invented(box, boxes[number], classes, random))
        else:
            made = _shifted(box, random) if kind == SHIFTED else _confused(box, classes, random)
            boxes[number][at] = made
        wrong.append((examples[number].file, made))
    kept = [[box for at, box in enumerate(some) if (number, at) not in gone] for number, some in enumerate(boxes)]
    return [replace(example, boxes=tuple(some)) for example, some in zip(examples, kept, strict=True)], wrong


def _confused(box: Box, classes: int, random: np.random.Generator) -> Box:
    return replace(box, label=int((box.label + random.integers(1, classes)) % classes))


def _shifted(box: Box, random: np.random.Generator) -> Box:
    x1, y1, x2, y2 = box.xyxy
    axes = np.array([(1, 1), (1, 0), (0, 1)][random.integers(3)])
    far = random.uniform(0.2, 0.5, 2) * random.choice([-1, 1], 2) * axes * [x2 - x1, y2 - y1]
    there, far = np.array(box.xyxy, np.float64), np.tile(far, 2)
    corners = np.clip(np.round(there + far), 0, SIDE)
    if (corners[2:] - corners[:2]).min() < 3:  # mostly outside the picture: the other way
        corners = np.clip(np.round(there - far), 0, SIDE)
    return replace(box, xyxy=tuple(map(float, corners)))


def _invented(like: Box, others: Sequence[Box], classes: int, random: np.random.Generator) -> Box:
    width, height = like.xyxy[2] - like.xyxy[0], like.xyxy[3] - like.xyxy[1]
    there = np.array([box.xyxy for box in others], np.float64).reshape(-1, 4)
    for _ in range(200):
        x, y = np.round(random.uniform(0, [SIDE - width, SIDE - height]))
        corners = np.array([x, y, x + width, y + height], np.float64)
        if (overlap(corners, there) < 0.3).all():
            break
    return Box(int(random.integers(classes)), tuple(map(float, corners)))
