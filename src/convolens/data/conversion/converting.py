"""One conversion: read, split, taken down to what the format carries, written, read again, compared, and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from convolens.arrays import as_flag, as_whole
from convolens.data.conversion.carry import Losses, of_kind, without_what_is_lost
from convolens.data.conversion.compare import need_equal
from convolens.data.conversion.groups import split_into
from convolens.data.conversion.names import named
from convolens.data.conversion.place import Placing
from convolens.data.dataset import SPLIT_NAMES, DataSet, Skipped
from convolens.data.format import Format, Placed
from convolens.data.formats import FORMATS
from convolens.data.reading import need_data, read_column, read_sound
from convolens.errors import ArgumentError, DataError, FileError, need_one_of
from convolens.media.files import AnyPath, as_path, is_there, make_folder, need_name, need_new_folder, writing_folder
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer
from convolens.media.picture_files import is_picture
from convolens.progress import track


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        path: the new folder.
        format: its format.
        pictures: how many it has, by split; data without splits has them under the empty name.
        objects: how many boxes, crowds included.
        losses: what the format cannot carry, each in words with its number: `12 crowds`.
        renamed: pictures that got other names within the folder, as two would have had one.
        skipped: pictures that were left out, and files passed over, each with the reason.
    """

    path: Path
    format: str
    pictures: dict[str, int]
    objects: int
    losses: tuple[str, ...]
    renamed: int
    skipped: tuple[Skipped, ...]

    @property
    def left_out(self) -> tuple[Skipped, ...]:
        """Of the skipped files, the pictures."""
        return tuple(one for one in self.skipped if is_picture(one.path.name))

    def __str__(self) -> str:
        splits = ", ".join(f"{name} {count:,}" for name, count in self.pictures.items() if name)
        lines = [f"{self.format}: {sum(self.pictures.values()):,} pictures{f' ({splits})' if splits else ''}"
                 + (f", {self.objects:,} objects" if self.objects else "")]  # fmt: skip
        if self.losses:
            lines.append(f"{self.format} cannot carry: {', '.join(self.losses)}")
        if self.renamed:
            lines.append(f"renamed: {self.renamed:,} of the pictures, as two would have had one name")
        return "\n".join(lines)


def convert(
    data: AnyPath,
    out: AnyPath,
    *,
    to: str,
    format: str | None = None,  # noqa: A002 - the field's word
    split: Sequence[float] | None = None,
    group_by: str | None = None,
    seed: int = 0,
    link: bool = False,
    progress: bool = True,
) -> Converted:
    """Writes data of any format as data of another, into a new folder with its pictures.

    The pictures keep their bytes. Boxes are those of the upright picture, as everywhere. What is written is read again
    and compared with what was read before the folder gets its name; until then, and after any failure, nothing is
    there.

    Args:
        data: a folder or file, as for `train`.
        out: the new folder, which must not be there yet, or be empty; those above it are made.
        to: a format's name.
        format: the data's own, where it is not to be guessed.
        split: fractions for train, validation and, if there are three, test, for data that has no splits or one alone.
            Every class is divided alike as far as its groups allow, by the seed.
        group_by: what must not be divided: `folder`, the pictures of a folder; `prefix`, those whose names are alike up
            to the last `_`, `-`, space or dot; `column:NAME`, those of which a column of the table, or a field of
            `metadata.jsonl`, says the same; or a regular expression with one group, which is searched for in the path.
        seed: of the split.
        link: makes hard links in place of copies, which takes no room; a picture that is changed in place is then
            changed in both folders.
        progress: shows a bar with the time left.

    Raises:
        FileError: nothing can be read, something is there already, or cannot be written.
        DataError: the data contradicts itself, or cannot be told in the format at all.
        ArgumentError: an argument is wrong.
    """
    need_data(data)
    form = format_to_write(to)
    if not isinstance(group_by, str | None):
        raise ArgumentError(
            f"group_by: need folder, prefix, column:NAME or a regular expression, got {group_by!r:.100}"
        )
    as_flag(link, "link")
    as_flag(progress, "progress")
    source, target = as_path(data, "where the data is"), as_path(out, "a folder to write into")
    seed = as_whole(seed, "seed", 0)
    need_name(target)
    need_outside(source, target)
    make_folder(target.parent)
    need_new_folder(target)
    with only_writer(target), given(source):
        found = read_sound(source, format=format, outlines=True)
        if split is not None or group_by is not None:
            columns = partial(read_column, source, format=format)
            found = split_into(found, split, group_by, seed, columns)
        return write_data(found, target, form, link=link, progress=progress)


def write_data(
    data: DataSet,
    target: Path,
    form: Format,
    *,
    link: bool,
    progress: bool,
    original: DataSet | None = None,
    also: Callable[[Path], None] | None = None,
) -> Converted:
    """Writes data into a new folder, which nobody else is writing to; arguments and errors as of `convert`.

    Pictures are called as if the original had been written, see `named`. What `also` writes, it writes into the folder
    before that has its name.
    """
    losses = Losses()
    kept = of_kind(data, form, losses)
    names, renamed = named(kept, form, None if original is None else of_kind(original, form, Losses()))
    skipped: list[Skipped] = []
    with writing_folder(target) as draft:
        placing = Placing(draft, link)
        pictures = list(_placed(kept, names, form, placing, losses, skipped, progress))
        if not pictures:
            why = f"; {(*skipped, *data.skipped)[0].reason}" if skipped or data.skipped else ""
            raise DataError(f"{data.root}: need pictures that can be read, got none of {len(data):,}{why}")
        if form.write is None:
            raise DataError(f"{form.name}: is only read")
        form.write(draft, kept, pictures)
        losses.unused_classes(kept, form, pictures)
        need_equal(draft, kept, pictures, form)
        if also is not None:
            also(draft)
    found = Counter(one.example.split for one in pictures)
    counts = {split: found[split] for split in ("", *SPLIT_NAMES) if split in found}
    objects = sum(len(one.example.boxes) for one in pictures)
    return Converted(target, form.name, counts, objects, losses.in_words(), renamed, (*data.skipped, *skipped))


def writable() -> tuple[str, ...]:
    """The names of formats that can be written."""
    return tuple(one.name for one in FORMATS if one.write is not None)


def format_to_write(name: str) -> Format:
    """The format of a name.

    Raises:
        ArgumentError: there is none that can be written.
    """
    need_one_of("to", name, writable())
    return next(one for one in FORMATS if one.name == name)


def need_outside(source: Path, target: Path) -> None:
    """Refuses a folder within the data, which would be read as a part of it the next time."""
    if (
        is_there(source, "a folder or a file of data")
        and source.is_dir()
        and target.resolve().is_relative_to(source.resolve())
    ):
        raise FileError(f"{target}: need a folder outside of the data, got one in {source}; give one beside it")


def _placed(
    data: DataSet,
    names: list[str],
    form: Format,
    placing: Placing,
    losses: Losses,
    skipped: list[Skipped],
    progress: bool,
) -> Iterator[Placed]:
    pairs = zip(data.examples, names, strict=True)
    for example, name in track(pairs, "pictures", len(names), show=progress):
        try:
            size = placing.put(example.file, name)
        except FileError as error:
            skipped.append(Skipped(example.file, str(error)))
            continue
        boxes = tuple(without_what_is_lost(example.boxes, size, form.carries, losses))
        labels = example.labels if data.kind != "boxes" else tuple(sorted({b.label for b in boxes if not b.crowd}))
        yield Placed(replace(example, boxes=boxes, labels=labels, size=None), name, size)
