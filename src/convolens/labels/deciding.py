"""Decisions on a data set's pictures: whether they can be applied to it, and the data with them applied."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from convolens.data import Box, DataSet, Example
from convolens.data.dataset import box_fault
from convolens.errors import DataError
from convolens.labels.changes import FIX, SET_ASIDE, Change, Object, objects_of, path_in_data


def decided_on(data: DataSet, changes: Sequence[Change], file: Path) -> tuple[DataSet, Counter[str], tuple[str, ...]]:
    """The data with the decisions applied, how many of each there were (of pictures set aside), and paths not there.

    A box that stays keeps all that was known of it, and one of another class all but that; one that is new, or
    elsewhere, has its class and its corners alone.

    Raises:
        DataError: the changes are of another data set, were applied already, say something else of a picture than it
            does, or name a class that there is not, or a box without area.
    """
    by_path = {path_in_data(data.root, example.path): example for example in data.examples}
    gone = tuple(dict.fromkeys(one.path for one in changes if one.path not in by_path))
    here: dict[str, list[Change]] = defaultdict(list)
    for one in changes:
        if one.path in by_path:
            here[one.path].append(one)
    now = {path: objects_of(by_path[path], data) for path in here}
    _need_same_data(data, changes, here, gone, file)
    _need_not_done(data, here, now, file)
    for path, several in here.items():
        for one in several:
            _need_fitting(one, now[path], data, file)

    def mended() -> Iterator[Example]:
        for example in data.examples:
            several = here.get(path_in_data(data.root, example.path), ())
            if not any(one.decision == SET_ASIDE for one in several):
                yield _fixed(example, [one for one in several if one.decision == FIX], data)

    counts = Counter(one.decision for several in here.values() for one in several)
    counts[SET_ASIDE] = sum(any(one.decision == SET_ASIDE for one in several) for several in here.values())
    return data.having(mended()), counts, gone


def _need_same_data(
    data: DataSet, changes: Sequence[Change], here: Mapping[str, Sequence[Change]], gone: Sequence[str], file: Path
) -> None:
    if not any(one.decision for one in changes):
        raise DataError(
            f"{file}: need decisions (keep, relabel, fix or set aside), got none in {len(changes):,} lines; "
            "decide in a text editor or on the page of `convolens doctor --labels --html`"
        )
    paths = {one.path for one in changes}
    if len(gone) > len(paths) / 2:
        raise DataError(
            f"{file}: need changes of {data.root}, got those of another data set: {len(gone):,} of "
            f"{len(paths):,} pictures are not in it, such as {gone[0]}"
        )
    for one in (one for several in here.values() for one in several):
        for each in one.before:
            if each.label not in data.class_names:
                raise DataError(
                    f"{file}: need changes of {data.root}, got those of another data set: {one.path} has the class "
                    f"{each.label!r} there, which {data.root} does not know"
                )
            _need_kind(each, one, data, file)


def _need_not_done(
    data: DataSet, here: Mapping[str, Sequence[Change]], now: Mapping[str, tuple[Object, ...]], file: Path
) -> None:
    acting = [one for several in here.values() for one in several if one.decision in (FIX, SET_ASIDE)]
    if acting and all(one.is_done(now[one.path]) for one in acting):
        raise DataError(f"{data.root}: has the changes of {file} already; nothing is left to apply")


def _need_fitting(one: Change, objects: tuple[Object, ...], data: DataSet, file: Path) -> None:
    if not one.fits(objects):
        raise DataError(
            f"{file}: need what {data.root} says, got {_words(one.before)} for {one.path}, which is {_words(objects)} "
            "there; look for wrong labels anew"
        )
    if one.decision != FIX:
        return
    if data.kind == "label" and len(one.after) != 1:
        raise DataError(f"{file}: need one class for {one.path}, got {len(one.after)}")
    for each in one.after:
        if each.label not in data.class_names:
            raise DataError(
                f"{file}: need a class of {data.root} for {one.path}, got {each.label!r}; "
                f"there are {', '.join(data.class_names[:20])}"
            )
        _need_kind(each, one, data, file)
        if each.box_xyxy is not None and (fault := box_fault(Box(0, each.box_xyxy))):
            raise DataError(f"{file}: {one.path}: {fault[0]}: {fault[1]}")


def _need_kind(each: Object, one: Change, data: DataSet, file: Path) -> None:
    if (each.box_xyxy is None) != (data.kind != "boxes"):
        got = "one without" if each.box_xyxy is None else "one with"
        raise DataError(f"{file}: need objects as {data.root} has them for {one.path}, got {got} a box")


def _words(objects: Sequence[Object]) -> str:
    return ", ".join(repr(str(one)) for one in objects) or "nothing"


def _fixed(example: Example, changes: Sequence[Change], data: DataSet) -> Example:
    if not changes:
        return example
    objects = objects_of(example, data)
    for one in changes:
        objects = one.applied(objects)
    numbers = {name: number for number, name in enumerate(data.class_names)}
    if data.kind != "boxes":
        return replace(example, labels=tuple(sorted({numbers[one.label] for one in objects})))
    boxes = tuple(_boxes(objects, example, data, numbers))
    return replace(example, boxes=boxes, labels=tuple(sorted({box.label for box in boxes if not box.crowd})))


def _boxes(objects: Sequence[Object], example: Example, data: DataSet, numbers: Mapping[str, int]) -> Iterator[Box]:
    """A box for each object: what was known of one of the same class and corners, or else of the same corners."""
    known = dict(enumerate(zip(objects_of(example, data), example.boxes, strict=True)))
    same = [_taken(known, one) for one in objects]  # all of these first, so that none takes another's
    for one, box in zip(objects, same, strict=True):
        assert one.box_xyxy is not None  # of data with boxes, as checked
        found = box or _taken(known, one, of_class=False)
        label = numbers[one.label]
        yield Box(label, one.box_xyxy) if found is None else replace(found, label=label)


def _taken(known: dict[int, tuple[Object, Box]], one: Object, *, of_class: bool = True) -> Box | None:
    """The first known box with an object's corners, and its class, which no other object gets then."""
    suiting = (at for at, (was, _) in known.items() if was == one or (not of_class and was.box_xyxy == one.box_xyxy))
    at = next(suiting, None)
    return None if at is None else known.pop(at)[1]
