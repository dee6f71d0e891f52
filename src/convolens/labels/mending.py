"""Decisions applied to a data set: what was fixed or set aside is so in a new one; the old is only read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convolens.arrays import as_flag
from convolens.data.conversion import Converted
from convolens.data.conversion.converting import format_to_write, need_outside, writable, write_data
from convolens.data.reading import read_consistent, read_with_faults, with_sound_boxes
from convolens.errors import ArgumentError, DataError
from convolens.labels.change_files import LINES, read_changes, write_changes
from convolens.labels.changes import FIX, KEEP, SET_ASIDE, UNDECIDED, Change
from convolens.labels.deciding import decided_on
from convolens.media.files import AnyPath, as_path, make_folder, need_file, need_name, need_new_folder
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer

# In what was mended: by which changes; readers of data pass hidden files over.
RECORDS = (".labels.applied.csv", f".labels.applied{LINES}")


@dataclass(frozen=True)
class Mended:
    """What was written.

    Attributes:
        written: the new data set, as of `convert`.
        relabelled: how many pictures have another label now, in data with one label each.
        fixed: how many decisions gave pictures other boxes, or other classes where a picture may show several.
        set_aside: how many pictures were left out.
        kept: decisions to keep what the data says.
        undecided: those without a decision, where what the data says stays.
        gone: paths in the changes that are no longer in the data.
    """

    written: Converted
    relabelled: int
    fixed: int
    set_aside: int
    kept: int
    undecided: int
    gone: tuple[str, ...]

    def __str__(self) -> str:
        changed = f"fixed {self.fixed:,}" if self.fixed else f"relabelled {self.relabelled:,}"
        lines = [f"{changed}, set aside {self.set_aside:,}, kept {self.kept:,}"
                 + (f", undecided {self.undecided:,}, which stay as they are" if self.undecided else "")]  # fmt: skip
        return "\n".join([*lines, str(self.written)])


def apply_changes(
    changes: AnyPath,
    data: AnyPath,
    *,
    to: AnyPath,
    format: str | None = None,  # noqa: A002 - the option's name
    data_format: str | None = None,
    link: bool = False,
    progress: bool = True,
) -> Mended:
    r"""Writes a data set anew with the decisions of a file applied; equal to the old but for them.

    Args:
        changes: `labels.changes.csv`, as `check_labels` writes it, with decisions; or a `.jsonl` as of
            `convolens.labels.change_lines`, which has all boxes, or all classes, of a picture.
        data: the data set that it is of; nothing in it is changed.
        to: the new folder, which must not be there yet, or be empty.
        format: what to write, any format that `convert` writes. None: the data's own.
        data_format: the data's own, where it is not to be guessed.
        link: makes hard links of the pictures in place of copies.
        progress: shows a bar with the time left.

    Raises:
        FileError: nothing can be read, something is there already, or cannot be written.
        DataError: the changes are of another data set, were applied already, or nothing is decided.
        ArgumentError: the data's own format is only read, and no other is named.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from convolens.media.images import write_image
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("dark/1.png", "dark/2.png", "light/3.png"):
    ...         Path(folder, "data", name).parent.mkdir(parents=True, exist_ok=True)
    ...         write_image(f"{folder}/data/{name}", np.zeros((16, 16, 3), np.uint8))
    ...     changes = "path,label,suggested,probability,decision\ndark/2.png,dark,light,0.98,relabel\n"
    ...     _ = Path(folder, "changes.csv").write_text(changes)
    ...     mended = apply_changes(f"{folder}/changes.csv", f"{folder}/data", to=f"{folder}/new", progress=False)
    ...     print(mended.relabelled, sorted(one.name for one in Path(folder, "new/light").iterdir()))
    1 ['2.png', '3.png']
    """
    as_flag(link, "link")
    as_flag(progress, "progress")
    file = need_file(as_path(changes, "a file of changes"), "a file of changes")
    source, target = as_path(data, "where the data is"), as_path(to, "a folder to write into")
    need_name(target)
    need_outside(source, target)
    decided = read_changes(file)
    _need_new(file, decided, source, target)
    make_folder(target.parent)
    need_new_folder(target)
    with only_writer(target), given(source, file):
        own = read_with_faults(source, format=data_format).format
        if format is None and own not in writable():
            raise ArgumentError(
                f"format: need {', '.join(writable())}, got data in {own}, which is only read; name one"
            )
        # A box that cannot be may be the one that was fixed: what still has some is left out afterwards.
        found = read_consistent(source, format=data_format, outlines=True)
        mended, counts, gone = decided_on(found, decided, file)
        form = format_to_write(format or own)
        written = write_data(
            with_sound_boxes(mended), target, form, link=link, progress=progress, original=found,
            also=lambda draft: write_changes(draft / RECORDS[file.suffix.lower() == LINES], decided),
        )  # fmt: skip
    fixed = counts[FIX]
    relabelled = fixed if found.kind == "label" else 0
    return Mended(
        written, relabelled, fixed - relabelled, counts[SET_ASIDE], counts[KEEP], counts[UNDECIDED], gone
    )  # fmt: skip


def _need_new(file: Path, changes: tuple[Change, ...], source: Path, target: Path) -> None:
    """Refuses to apply the same changes again: to what was made by them, or into a folder that has them."""
    folders = [source, *source.parents[:2]] if not source.is_dir() else [source]
    if any(_made_by(folder, changes) for folder in folders):
        raise DataError(f"{source}: was made by the changes of {file}; they are applied already")
    if _made_by(target, changes):
        raise DataError(f"{target}: has the changes of {file} already; it is what they make")


def _made_by(folder: Path, changes: tuple[Change, ...]) -> bool:
    records = (folder / name for name in RECORDS)
    return any(record.is_file() and read_changes(record) == changes for record in records)
