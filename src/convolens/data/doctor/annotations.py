"""What the annotations say: classes missing or rare, boxes that cannot be, numbers of another format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading, box_fault
from convolens.data.doctor.files import Look
from convolens.data.doctor.findings import Corners, Finding, Instance, finding

IMBALANCE = 10  # times as many examples as the rarest class
OUTSIDE = 1.0  # pixels by which a box may leave its picture: rounding
GUESS_FROM = 0.05  # fraction of useless boxes at or above which another format is considered
GUESS_BELOW = 0.01  # fraction of useless boxes as the other format, up to which it is likely
DETECTED_AT, LARGER = 300, 512  # pixels a side that pictures are brought to for a detector: the usual, and the next
CELL = 8  # pixels; of the finest of SSD's maps
MANY_SMALL = 0.1  # fraction of the boxes from which small ones are worth a word
WHAT_TO_DO = {
    "empty class": "have no pictures",
    "unknown class": "name a class that is not in the list",
    "unknown picture": "are for a picture that is not in the list",
    "unreadable annotation": "cannot be read",
    "unreadable row": "cannot be read",
    "unreadable sound": "are labelled and cannot be read",
    "damaged shard": "cannot be read",
    "id given twice": "have an id that another has; which one annotations are for cannot be known",
    "address for a picture": "are addresses, and no files",
    "other annotations": "are of the same pictures and are passed over",
    "picture given twice": "are listed more than once, and taken as one picture",
    "corners from 0": "tells that corners are counted from 0; boxes would be a pixel larger if they were not",
    "folder beside splits": "hold pictures and are no split; they are passed over",
    "no annotations": "were found for any picture; all would be learned as background",
    "no text file": "are taken to show nothing; give an empty file to each that does, and look for the others' texts",
    "no XML file": "are listed without an XML file, and are taken to show nothing",
    "absent split": "are named and are not there; the other splits are read",
    "mask": "are told by a mask, of which the box alone is taken",
    "hole": "have holes, which are filled",
    "other boxes": "have other boxes beside those that are taken",
    "unclear picture": "name a picture that cannot be told from another",
    "other table": "are beside those of pictures and are passed over",
    "class without a name": "have boxes and no class for them; they are one class",
    "label without a box": "have a label and no box; the picture is taken to show nothing",
    "labels separated by blanks": "have several labels in a cell; if blanks are part of them, separate them otherwise",
    "shape passed over": "have no area, or are painted, and are passed over",
    "attribute passed over": "say something that has no place in a box, and are passed over",
    "label beside boxes": "have labels of the whole picture beside boxes, which are passed over",
    "picture inside": "have their picture inside alone, which is not read; it is needed as a file",
    "not annotated": "nobody has annotated, and are left out",
    "several annotations": "have several annotations, of which one is taken",
    "prediction": "have predictions alone, of which the first is taken",
    "codes for classes": "have codes in place of the classes' names",
    "contradicting labels": "have several labels where there may be one",
}

# What the numbers of a box would be if they had been read as another format than they are in.
OTHER_FORMATS: tuple[tuple[str, Callable[[Corners, int, int], Corners]], ...] = (
    ("x, y, width, height", lambda b, w, h: (b[0], b[1], b[0] + b[2], b[1] + b[3])),
    ("corners x1, y1, x2, y2", lambda b, w, h: (b[0], b[1], b[2] - b[0], b[3] - b[1])),
    ("y1, x1, y2, x2", lambda b, w, h: (b[1], b[0], b[3], b[2])),
    ("center x, center y, width, height", lambda b, w, h: _centered(b)),
    ("fractions of the picture", lambda b, w, h: (b[0] * w, b[1] * h, b[2] * w, b[3] * h)),
)


def annotation_findings(read: Reading, looks: Mapping[Path, Look]) -> list[Finding]:
    """Yields everything that is wrong with the annotations."""
    data = read.data
    return [
        *reading_findings(read),
        *_size_findings(data, looks),
        *_box_findings(data, looks),
        *_small_objects(data, looks),
    ]


def reading_findings(read: Reading) -> list[Finding]:
    """Those of them that need no picture: what could not be read, and which classes there are."""
    return [*_of_reading(read.faults, "fault"), *_of_reading(read.notes, "note"), *_class_findings(read.data)]


def class_counts(data: DataSet) -> Counter[int]:
    """How many examples show each class."""
    return Counter(label for example in data.examples for label in example.labels)


def _of_reading(found: Sequence[Fault], level: Literal["fault", "note"]) -> Iterator[Finding]:
    kinds: dict[str, list[Instance]] = defaultdict(list)
    for one in found:
        kinds[one.kind].append(Instance(Path(str(one.path)), one.sentence))
    for kind, instances in kinds.items():
        yield from finding(kind, level, WHAT_TO_DO[kind], instances)


def _class_findings(data: DataSet) -> Iterator[Finding]:
    counts = class_counts(data)
    if data.kind == "label" and len(data.class_names) == 1:
        one = [Instance(Path(str(data.root)), data.class_names[0])]
        yield from finding("one class", "fault", "is all there is; two are needed to tell apart", one)
    present = [label for label in range(len(data.class_names)) if counts[label]]
    missing = [Instance(Path(str(data.root)), name) for label, name in enumerate(data.class_names) if not counts[label]]
    yield from finding("class without examples", "note", "are named and occur in no picture", missing)
    if len(present) > 1:
        rarest, commonest = min(present, key=counts.__getitem__), max(present, key=counts.__getitem__)
        if counts[commonest] >= IMBALANCE * counts[rarest]:
            rare = [
                Instance(Path(str(data.root)), f"{data.class_names[label]}: {counts[label]:,}") for label in present
            ]
            rare = [
                one for one, label in zip(rare, present, strict=True) if counts[commonest] >= IMBALANCE * counts[label]
            ]
            yield from finding(
                "class imbalance", "note",
                f"have less than a tenth of the examples of {data.class_names[commonest]} ({counts[commonest]:,}); "
                "weigh classes in training, and read macro-F1 rather than accuracy", rare,
            )  # fmt: skip


def _size_findings(data: DataSet, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    wrong = [
        Instance(example.file, f"annotated as {example.size[0]}×{example.size[1]}, is {size[0]}×{size[1]}")
        for example in data.examples
        if example.size and (size := _size(example, looks)) and size != tuple(example.size)
    ]
    sentence = "are annotated for another size than they have; their boxes may be of another version, or on their side"
    yield from finding("size mismatch", "fault", sentence, wrong)


def _box_findings(data: DataSet, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    kinds: dict[str, list[Instance]] = defaultdict(list)
    for example in data.examples:
        for box in example.boxes:
            trouble = _trouble(box, _size(example, looks))
            if trouble:
                kinds[trouble[0]].append(Instance(example.file, trouble[1], corners(box)))
        for box, count in Counter(example.boxes).items():
            if count > 1:
                text = f"{data.class_names[box.label]}, {count} times"
                kinds["box given twice"].append(Instance(example.file, text, corners(box)))
    for kind, instances in kinds.items():
        yield from finding(kind, "fault", _BOXES[kind], instances)
    yield from _format_findings(data, looks)


def _small_objects(data: DataSet, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Objects that a detector of the usual size has no cell for."""
    sides = [
        (example, box, (max(0.0, (x2 - x1) * (y2 - y1)) / (size[0] * size[1])) ** 0.5)
        for example in data.examples
        if (size := _size(example, looks))
        for box in example.objects
        if box_fault(box) is None
        for x1, y1, x2, y2 in [corners(box)]
    ]
    small = [Instance(example.file, "", corners(box)) for example, box, side in sides if side * DETECTED_AT < CELL]
    if len(small) < MANY_SMALL * len(sides):
        return
    left = sum(side * LARGER < CELL for _, _, side in sides)
    sentence = (
        f"({len(small) / max(1, len(sides)):.0%} of boxes) are under {CELL} pixels at --size {DETECTED_AT}, a cell "
    )
    sentence += (
        f"of the finest map: train with --size {LARGER}, which leaves {left:,}, and predict large pictures by --tile"
    )
    yield from finding("small objects", "note", sentence, small)


_BOXES = {
    "box without numbers": "hold something that is no number",
    "inverted box": "end before they begin",
    "box without area": "have no width or no height",
    "box outside": f"leave their picture by more than {OUTSIDE:g} pixel",
    "box given twice": "are given more than once in one picture",
}


def _trouble(box: Box, size: tuple[int, int] | None) -> tuple[str, str] | None:
    fault = box_fault(box)
    if fault is None and size is not None and not _inside(corners(box), *size):
        shown = ", ".join(f"{value:g}" for value in box.xyxy)
        return "box outside", f"need a box in {size[0]}×{size[1]} pixels, got ({shown})"
    return fault


def _format_findings(data: DataSet, looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Whether the boxes make sense as another format, when as read too many do not."""
    boxes: list[tuple[Path, Corners, tuple[int, int]]] = [
        (example.file, corners(box), size)
        for example in data.examples
        if (size := _size(example, looks))
        for box in example.boxes
        if (box_fault(box) or ("",))[0] != "box without numbers"
    ]
    if not boxes:
        return
    tiny = all(max(map(abs, box)) <= 1 + 1e-6 for _, box, _ in boxes)
    as_read = sum(not _useful(box, *size) for _, box, size in boxes)
    if as_read < GUESS_FROM * len(boxes) and not tiny:
        return
    choices = OTHER_FORMATS[-1:] if tiny else OTHER_FORMATS[:-1]
    left = {name: sum(not _useful(other(box, *size), *size) for _, box, size in boxes) for name, other in choices}
    name = min(left, key=left.__getitem__)
    if left[name] <= GUESS_BELOW * len(boxes):
        reason = "no number exceeds 1" if tiny else f"{as_read:,} of {len(boxes):,} are inverted, empty or outside"
        sentence = f"boxes make no sense as read ({reason}); as {name}, {left[name]:,} do not: probably they are those"
        wrong = [Instance(path, "", box) for path, box, size in boxes if tiny or not _useful(box, *size)]
        yield from finding("boxes of another format", "fault", sentence, wrong)


def corners(box: Box) -> Corners:
    """The box's corners as floats, whatever numbers they were given as."""
    x1, y1, x2, y2 = map(float, box.xyxy)
    return x1, y1, x2, y2


def _centered(box: Corners) -> Corners:
    """Gives the box whose first two numbers, mistaken for a corner, are its center."""
    x, y, width, height = box[0], box[1], box[2] - box[0], box[3] - box[1]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _useful(box: Corners, width: int, height: int) -> bool:
    return box[0] < box[2] and box[1] < box[3] and _inside(box, width, height)


def _inside(box: Corners, width: int, height: int) -> bool:
    x1, y1, x2, y2 = box
    return (
        min(x1, x2) >= -OUTSIDE
        and min(y1, y2) >= -OUTSIDE
        and max(x1, x2) <= width + OUTSIDE
        and max(y1, y2) <= height + OUTSIDE
    )


def _size(example: Example, looks: Mapping[Path, Look]) -> tuple[int, int] | None:
    """The picture's own size, or, where it cannot be read, none."""
    found = looks.get(example.file)
    return found.size if found is not None and not found.trouble else None
