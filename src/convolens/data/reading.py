"""Reading data of any format: which one it is, and whether it can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from convolens.data.dataset import DataSet, Example, Fault, Reading, Skipped, box_fault
from convolens.data.format import Format
from convolens.data.formats import FORMATS
from convolens.data.formats.stored import is_stored, read_stored
from convolens.errors import ArgumentError, DataError, FileError, need_one_of
from convolens.media.files import AnyPath, as_path, is_there
from convolens.media.notes import note


def read_data(
    path: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    class_names: tuple[str, ...] | None = None,
    outlines: bool = False,
) -> DataSet:
    """The examples of a data set, without opening its pictures (YOLO's fractions need their headers).

    Args:
        path: a folder with one folder of pictures for each class, a CSV, a folder of Pascal VOC's XML or labelme's JSON
            files, a YOLO `data.yaml`, the JSON of COCO or Label Studio, CVAT's XML, Open Images' CSV, Hugging Face's
            `metadata.jsonl`, VIA's JSON or CSV, Create ML's JSON, Supervisely's project, CrowdHuman's `.odgt`; or a
            folder that holds one of them, or VisDrone's texts. Pictures with classes also in tar shards, in Parquet
            tables, and at addresses.
        format: one of `FORMATS`' names, where it is not to be guessed.
        class_names: the classes a trained model knows, in its order. The data's names must then be among them, and one
            class alone will do.
        outlines: reads those of objects too, where the format has them; COCO's take several times the memory.

    An example with a box that has no area, is inverted or no numbers is left out, and named in `skipped`: training
    without the box would teach that nothing is there. What is used nonetheless and worth a word (a split that is named
    and absent, pictures without annotations where others have some) is a `FileNote`, a sentence for each kind.

    Raises:
        FileError: nothing is there, or it cannot be read.
        DataError: no pictures; fewer than two classes of pictures, a class without any, one that the model does not
            know; or annotations that contradict themselves, which `convolens doctor` lists.
    """
    data = read_sound(path, format=format, class_names=class_names, outlines=outlines)
    if class_names is None and data.kind == "label" and len(data.class_names) == 1:
        name = data.class_names[0]
        raise DataError(f"{path}: need at least two classes, got one ({name!r}); add a folder of what is not it")
    return data


def read_sound(
    path: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    class_names: tuple[str, ...] | None = None,
    outlines: bool = False,
) -> DataSet:
    """What `read_data` gives, of one class alone too. Arguments and errors as there."""
    return with_sound_boxes(read_consistent(path, format=format, class_names=class_names, outlines=outlines))


def read_consistent(
    path: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    class_names: tuple[str, ...] | None = None,
    outlines: bool = False,
) -> DataSet:
    """What `read_sound` gives, with the examples too that have boxes which cannot be. Arguments and errors as there."""
    found = read_with_faults(path, format=format, class_names=class_names, outlines=outlines)
    faults = found.faults
    if faults:
        more = f"; one of {len(faults)} faults, `convolens doctor {path}` lists them" if len(faults) > 1 else ""
        raise DataError(faults[0].sentence + more)
    for sentence in _first_of_each_kind(found.notes, root=str(path)):
        note(sentence)
    return found.data


def read_column(path: AnyPath, name: str, *, format: str | None = None) -> dict[Path, str]:  # noqa: A002
    """What a column of a table, or a field of `metadata.jsonl`, says of each picture of the data.

    Args:
        path: the data, as of `read_data`.
        name: of the column.
        format: as of `read_data`.

    Raises:
        ArgumentError: the data's format has no columns.
        DataError: there is no such column, or it says nothing, or two things, of a picture.
    """
    root = as_path(path, "where the data is")
    chosen = _format(root, format)
    if chosen.column is None:
        having = " or ".join(one.name for one in FORMATS if one.column is not None)
        raise ArgumentError(f"{root}: need {having} for a column {name!r}, got {chosen.name}, which has no columns")
    return chosen.column(root, name)


def read_with_faults(
    path: AnyPath,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    class_names: tuple[str, ...] | None = None,
    outlines: bool = False,
) -> Reading:
    """Everything that can be read, and all that contradicts itself. Arguments as in `read_data`.

    Raises:
        FileError, DataError: nothing can be read.
    """
    if is_stored(path):
        if format not in (None, "stored"):
            raise ArgumentError(f"format: need stored, or none, for data at an address or in shards, got {format!r}")
        return replace(read_stored(path, class_names), format="stored")
    need_data(path)
    root = as_path(path, "where the data is")
    if not (root.is_dir() or root.is_file()):
        raise FileError(f"{root}: need a folder or a file, got a device or a pipe")
    chosen = _format(root, format)
    wanted = {"outlines": True} if outlines and chosen.reads_outlines else {}
    reading = replace(chosen.read(root, class_names, **wanted), format=chosen.name)
    if not reading.data.examples and not reading.faults:
        reasons = [one.reason for one in reading.data.skipped] + [one.sentence for one in reading.notes]
        why = f"; {reasons[0]}" if reasons else ""
        raise DataError(f"{root}: need pictures, found none{why}")
    return reading


def need_data(path: AnyPath) -> None:
    """Refuses a path with nothing there, for whoever looks at options next: it is likelier that the path was mistyped.

    Raises:
        FileError: nothing is there; what lies in stores and shards is not looked for.
    """
    if is_stored(path):
        return
    root = as_path(path, "where the data is")
    if not is_there(root, "a folder or a file of data"):
        raise FileError(
            f"{root}: need a folder with one folder of pictures for each class, or annotations, found nothing there"
        )


def _first_of_each_kind(notes: tuple[Fault, ...], root: str) -> Iterator[str]:
    counts = Counter(one.kind for one in notes)
    for kind, first in {one.kind: one for one in reversed(notes)}.items():
        more = f"; one of {counts[kind]:,}, `convolens doctor {root}` lists them" if counts[kind] > 1 else ""
        yield first.sentence + more


def _format(root: Path, name: str | None) -> Format:
    names = [one.name for one in FORMATS]
    if name is not None:
        need_one_of("format", name, names)
    for one in FORMATS:
        if one.name == name or (name is None and one.recognize(root)):
            return one
    raise FileError(
        f"{root}: need a folder, .csv, .json of COCO, Label Studio, VIA, Create ML or labelme, .xml of VOC or CVAT, "
        "YOLO's data.yaml, metadata.jsonl or .odgt, got a file of another kind"
    )


def with_sound_boxes(data: DataSet) -> DataSet:
    """The data without the examples that have a box which cannot be; they are named in `skipped`."""
    skipped: list[Skipped] = []
    kept: list[Example] = []
    for example in data.examples:
        faults = (box_fault(box) for box in example.boxes)
        fault = next((one for one in faults if one), None)
        if fault is None:
            kept.append(example)
        else:
            skipped.append(Skipped(example.path, f"{example.path}: {fault[0]}: {fault[1]}"))
    return replace(data, examples=tuple(kept), skipped=(*data.skipped, *skipped)) if skipped else data
