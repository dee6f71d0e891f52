"""Data that lies in a store, in tar shards or in Parquet tables: pictures, each with the class that it shows.

    s3://bucket/photos             a folder for each class below it, or these below train, val and test
    shards/*.tar, s3://…/*.tar     WebDataset's layout: `7.jpg`, and beside it `7.cls`, `7.json` or `7.txt`
    shards/*.parquet               a column of encoded pictures, and one of classes

Names and sizes are read, pictures are not; but of tar shards in a store all has to come by once, as headers lie between
the pictures. Memory: about 500 bytes a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from convolens.data.dataset import DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import SPLITS, listed, no_picture, split_in
from convolens.data.formats.stored.labels import Labeled, Numbers, in_table, in_tar
from convolens.errors import DataError, FileError
from convolens.media.files import AnyPath
from convolens.media.found_pictures import shards_in
from convolens.media.picture_files import is_left_out
from convolens.media.picture_formats import is_picture
from convolens.sources import Stored, as_address
from convolens.sources.found import Found, is_pattern, is_shard, name_of, objects_of
from convolens.sources.stored import object_at

Shard = tuple[str, int]  # a shard's or a table's path or address, and its bytes


def is_stored(path: AnyPath) -> bool:
    """Whether data is at an address, in a shard or a table, in several that fit a pattern, or in a folder of them."""
    return bool(as_address(path)) or bool(shards_in(path))


def read_stored(path: AnyPath, known: tuple[str, ...] | None) -> Reading:
    """The examples, in the order in which they are stored.

    Args:
        path: an address, a shard, a table, a pattern, or a folder of shards.
        known: the classes that a model knows, in its order.

    Raises:
        FileError: nothing is there, or it cannot be read.
        DataError: no picture says what it shows.
    """
    address = as_address(path)
    root: Path | Stored = Path(path) if address is None else object_at(address)
    skipped: list[Skipped] = []
    if address is None:
        shards: Sequence[Shard] = shards_in(path)
        found: Sequence[Found] = ()
    else:
        shards, found = _in_store(address, skipped)
    if not shards:
        labeled: Iterator[Labeled] = _by_folder(found)
    else:
        labeled = _in_shards(shards, skipped)
    return _reading(root, labeled, known, skipped)


def _in_store(address: str, skipped: list[Skipped]) -> tuple[list[Shard], list[Found]]:
    """The shards, if there are some and no pictures; else the pictures."""
    shards: list[Shard] = []
    pictures: list[Found] = []
    for one in objects_of(address):
        if any(map(is_left_out, one.name.split("/"))):
            continue
        if is_shard(one.file.address):
            shards.append((one.file.address, one.file.size or 0))
        elif is_picture(one.file.name):
            pictures.append(one)
        else:
            skipped.append(Skipped(one.file, no_picture(one.file.where).reason))
    if shards and pictures and not is_pattern(address):
        raise DataError(
            f"{address}: need pictures in folders or shards, got {len(pictures):,} pictures beside {len(shards):,} "
            "shards; give the shards as a pattern, or the folder of pictures"
        )
    return shards, pictures


def _by_folder(found: Sequence[Found]) -> Iterator[Labeled]:
    """Each picture with its first folder as the class; or with its second, where the first are splits."""
    parts = [one.name.split("/") for one in found]
    splits = any(SPLITS.get(one[0].lower()) == "train" and len(one) > 2 for one in parts)
    for one, names in zip(found, parts, strict=True):
        split = SPLITS.get(names[0].lower(), "") if splits and len(names) > 2 else ""
        folders = names[1:-1] if split else names[:-1]
        yield Labeled(one.file, folders[0] if folders else None, split)


def _in_shards(shards: Sequence[Shard], skipped: list[Skipped]) -> Iterator[Labeled]:
    names = [split_in(name_of(shard).rpartition(".")[0]) for shard, _ in shards]
    splits = names if "train" in names else [""] * len(shards)
    for (shard, size), split in zip(shards, splits, strict=True):
        read = in_table if shard.lower().endswith(".parquet") else in_tar
        for one in read(shard, size, skipped):
            yield one._replace(split=split)


def _reading(
    root: Path | Stored, labeled: Iterable[Labeled], known: tuple[str, ...] | None, skipped: list[Skipped]
) -> Reading:
    faults: list[Fault] = []
    unlabeled: Stored | None = None
    found: list[Labeled] = []
    for one in labeled:
        if one.fault:
            faults.append(Fault(one.file, "damaged shard", one.fault))
        elif one.label is None:
            unlabeled = unlabeled or one.file
        else:
            found.append(one)
    if unlabeled is not None and not faults:
        raise DataError(
            f"{unlabeled}: need a class, by a .cls, .json or .txt beside the picture, a column, or a folder, found none"
        )
    numbers = Numbers({one.label for one in found if one.label is not None}, known)
    examples = []
    for one in found:
        assert one.label is not None
        number = numbers.of(one.label)
        if number is None:
            sentence = f"{root}: need classes that the model knows ({listed(numbers.names)}), got {one.label!r}"
            faults.append(Fault(one.file, "unknown class", sentence))
            continue
        examples.append(Example(one.file, (number,), split=one.split))
    if not examples and not faults:
        raise FileError(f"{root}: need pictures with classes, found none")
    return Reading(DataSet(root, numbers.names, tuple(examples), "label", tuple(skipped)), tuple(faults))
