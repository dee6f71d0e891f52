"""What the readers of all formats share: which files are pictures, which folders are splits, and text in UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from errno import EACCES
from pathlib import Path

from convolens.data.dataset import Skipped
from convolens.errors import FileError, FormatError
from convolens.media.files import need_file
from convolens.media.inputs import also_given
from convolens.media.notes import note
from convolens.media.picture_files import is_closed_folder, is_left_out
from convolens.media.picture_formats import remedy_for
from convolens.memory import need_memory

MAX_TEXT_BYTES = 4 << 30  # COCO's own annotations, the largest that are common, have half of it
MAX_SIDE = 1 << 31  # of a picture, beyond which a size is not believed
END = 1 << 16  # bytes at either end of a file in which its keys must occur for it to be recognized

# Names that folders, files and columns use for the splits of a data set.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, but for what is left out, in alphabetical order."""
    with os.scandir(folder) as entries:  # which know what is a folder, without a look at each of 100,000 files
        return sorted(Path(entry.path) for entry in entries if not is_left_out(entry.name) and entry.is_dir())


def folders_inside(folder: Path) -> list[Path]:
    """The same of a folder that may be none of the data's: one that cannot be looked into holds none, with a note."""
    try:
        return folders_in(folder)
    except PermissionError:
        note(f"{folder}: passed over, cannot be looked into: {os.strerror(EACCES)}")
        return []


def split_folders(folder: Path) -> list[tuple[str, Path]]:
    """The folders in a folder that are named for a split, if one is for training; `val` and `validation` are both."""
    named = [(SPLITS[path.name.lower()], path) for path in folders_in(folder) if path.name.lower() in SPLITS]
    return named if any(split == "train" for split, _ in named) else []


def split_in(name: str) -> str:
    """The split that a file's name speaks of, `instances_val2017` of `validation`; empty if none.

    >>> split_in("instances_val2017"), split_in("_annotations.coco")
    ('validation', '')
    """
    words = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
    return next((SPLITS[word] for word in words if word in SPLITS), "")


def annotation_files(path: Path, pattern: str) -> Iterator[tuple[Path, str]]:
    """A file itself; or those of a pattern at the top of a folder and in its splits, each with the split it is of."""
    places = [("", [path])]
    if not path.is_file():
        places = [(split, sorted(folder.glob(pattern))) for split, folder in [("", path), *split_folders(path)]]
    for split, files in places:
        for file in files:
            if not is_left_out(file.name):
                yield file, split or split_in(file.stem)


def no_picture(path: str) -> Skipped:
    """A file passed over for its name, or a folder that cannot be looked into."""
    if is_closed_folder(path):
        return Skipped(Path(path), f"{Path(path)}: passed over, cannot be looked into: {os.strerror(EACCES)}")
    suffix, remedy = os.path.splitext(path)[1], remedy_for(path)  # noqa: PTH122
    return Skipped(
        Path(path), f"{path}: need a picture's suffix, got {suffix or 'none'}{f'; {remedy}' if remedy else ''}"
    )


def read_text(path: Path, what: str, *, most: int = MAX_TEXT_BYTES) -> str:
    """The text of an annotation file of at most so many bytes: in UTF-8, or in UTF-16 where it begins as such.

    Raises:
        FileError: it is not there or cannot be read.
        FormatError: too large, or not UTF-8.
        MemoryRefused: it needs more than the budget of memory.
    """
    try:
        found = read_bytes(path, what, most=most)
        return found.decode(encoding_of(found))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: need {what} in UTF-8, got other bytes at {error.start}") from error


def encoding_of(data: bytes) -> str:
    """UTF-8, but where the first bytes say UTF-16, which spreadsheets write."""
    return "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def read_bytes(path: Path, what: str, *, most: int = MAX_TEXT_BYTES) -> bytes:
    """What an annotation file of at most so many bytes holds. Errors as in `read_text`, but for UTF-8."""
    file = need_file(path, what)
    if not file.is_file():
        raise FormatError(f"{file}: need {what}, got a device or a pipe")
    if file.stat().st_size > most:
        raise FormatError(f"{file}: need {what} of at most {most:,} bytes, got {file.stat().st_size:,}")
    need_memory(2 * file.stat().st_size, file)  # as bytes, and as text
    try:
        found = file.read_bytes()
    except OSError as error:
        raise FileError(f"{file}: cannot be read: {error.strerror or error}") from error
    also_given([file])
    return found


def found_by_end(bases: Sequence[Path], name: str) -> Path | None:
    """The file or folder of a name below one of the bases, or None.

    Names in annotations are often of the machine that wrote them. What is not found as it stands is looked for by the
    end of its name, `shop-1/train/images` as `train/images`. A split's name is never dropped on the way, so that
    `test/images` cannot become `images`, the pictures of another split.
    """
    tried = (base / end for end in ends_of(name) for base in bases)
    return next((path for path in tried if exists(path)), None)


def ends_of(name: str) -> Iterator[str]:
    """The name; then with `/` for Windows' backslashes and without `..`; then without its first folders."""
    yield name
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for at in range(len(parts)):
        yield "/".join(parts[at:])
        if parts[at].lower() in SPLITS:
            return


def picture_at(folder: Path, name: str) -> Path:
    """A picture that annotations name from their own folder. One of another machine is looked for by its end."""
    if "\\" in name or name.startswith("/"):
        return found_by_end([folder], name) or folder / name.replace("\\", "/").lstrip("/")
    return folder / name


def exists(path: Path) -> bool:
    """Whether something is there; nothing is, where a name is too long or has a zero byte."""
    try:
        return os.path.exists(path)  # noqa: PTH110 - Path's raises for names that are too long
    except ValueError:
        return False


def claimed_size(width: object, height: object) -> tuple[int, int] | None:
    """The size of a picture, where two numbers or their texts say it; it is a claim, and nothing depends on it.

    >>> claimed_size("640.0", 480), claimed_size(0, 0), claimed_size("wide", None)
    ((640, 480), None, None)
    """
    sides = []
    for side in (width, height):
        try:
            value = float(side) if isinstance(side, str | int | float) else 0.0
        except (ValueError, OverflowError):
            return None
        if not 0.5 < value < MAX_SIDE:  # nan and inf are not either
            return None
        sides.append(round(value))
    return sides[0], sides[1]


def numbered(names: set[str], known: tuple[str, ...] | None) -> tuple[str, ...]:
    """The class names of the data: those that a model knows, or those found, in alphabetical order."""
    return known if known is not None else tuple(sorted(names))


def listed(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    """Names in a sentence, cut short where they are many."""
    return ", ".join(names[:most]) + (f", … {len(names)} in all" if len(names) > most else "")


def ends_of_file(path: Path) -> bytes:
    """The first and the last 64 kB of a file, by which it is known for what it is; nothing where it cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(END)
            if len(head) < END:
                return head
            stream.seek(max(END, path.stat().st_size - END))
            return head + stream.read(END)
    except OSError:
        return b""
