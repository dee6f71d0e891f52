"""Parts of a run that several machines shared (`--shard`), put together into what one machine would have written.

    DIR/….jsonl   the lines of all parts, in the order of one run where that is an order of names
    DIR/…         the pictures that lie in the parts, linked where that is possible, else copied

Nothing is written unless every part is there and whole. Memory: a line of each part, and 8 bytes for each picture.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from convolens.errors import ArgumentError, DataError, FileError, FormatError
from convolens.media.files import AnyPath, writing_folder
from convolens.media.folders import files_below, is_closed_folder
from convolens.media.inputs import given
from convolens.media.parts import PART, Part, read_part
from convolens.media.result_folders import PREDICTIONS_UNDER_WAY

MODEL = "model.json"  # which `predict` writes


@dataclass(frozen=True)
class Merged:
    """What became of parts.

    Attributes:
        out: the folder that was written.
        pictures: how many have results.
        failed: those that have an error instead, by name.
    """

    out: Path
    pictures: int
    failed: list[str] = field(default_factory=list)


def merge_parts(parts: Sequence[AnyPath], out: AnyPath) -> Merged:
    """Puts the parts of one run together.

    Args:
        parts: the folders that `--shard 1/N` to `--shard N/N` were written into, in any order.
        out: a new folder.

    Raises:
        ArgumentError: parts of different runs, or one part twice.
        DataError: parts or files are missing, which are named.
        FileError: a folder is no part, or `out` cannot be written or is there already.
        FormatError: a part is damaged.
    """
    found = [(Path(folder), read_part(Path(folder))) for folder in parts]
    _need_one_run(found)
    _need_all(found)
    for folder, part in found:
        _need_files(folder, part)
    with given(*parts), writing_folder(out) as draft:
        return _written(found, Path(out), draft)


def _need_one_run(found: Sequence[tuple[Path, Part]]) -> None:
    if not found:
        raise ArgumentError("parts: need the folders that --shard wrote, got none")
    first_folder, first = found[0]
    for folder, part in found:
        if not part.is_of_the_run_of(first):
            raise ArgumentError(
                f"{folder}: need parts of one run, got {part.command} {part.share} of another than {first_folder} "
                f"({_difference(part, first)})"
            )
    by_number: dict[int, Path] = {}
    for folder, part in found:
        if part.share.number in by_number:
            raise ArgumentError(f"{folder}: is part {part.share}, which {by_number[part.share.number]} is too")
        by_number[part.share.number] = folder


def _difference(one: Part, other: Part) -> str:
    names = ("command", "sources", "run", "lines")
    different = [name for name in names if getattr(one, name) != getattr(other, name)]
    if "run" in different:
        keys = sorted({*one.run, *other.run})
        different = [f"its {key}" for key in keys if one.run.get(key) != other.run.get(key)]
    if not different:
        return f"of {one.share.count} parts, not {other.share.count}"
    return "other " + ", ".join(different).replace("its ", "")


def _need_all(found: Sequence[tuple[Path, Part]]) -> None:
    count = found[0][1].share.count
    there = {part.share.number for _, part in found}
    missing = [str(number) for number in range(1, count + 1) if number not in there]
    if missing:
        named = ", ".join(missing[:20]) + (f", … {len(missing)} in all" if len(missing) > 20 else "")
        raise DataError(f"parts: need all {count}, got {len(there)}; missing: {named}")
    unfinished = [f"{part.share.number} ({folder})" for folder, part in found if not part.complete]
    if unfinished:
        raise DataError(f"parts: need whole ones, got some that are not done: {', '.join(unfinished)}; run them again")


def _need_files(folder: Path, part: Part) -> None:
    if (folder / PREDICTIONS_UNDER_WAY).exists() or not (folder / part.lines).exists():
        raise DataError(f"{folder}: need a whole part, {part.lines} is missing; run part {part.share} again")
    missing = []
    for line in _lines(folder, part):
        written = line.value.get("written")
        if written and not (folder / _below(part.out, written)).exists():
            missing.append(folder / _below(part.out, written))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{missing[0]}: is missing{more}; run part {part.share} again")


@dataclass(frozen=True)
class _Line:
    """A picture's line, and the part that it is in."""

    text: str
    value: dict[str, Any]
    part: Part

    @property
    def path(self) -> str:
        return str(self.value["path"])

    def moved(self, out: Path) -> str:
        """As it stands in the whole: where a picture was written is below the new folder."""
        written = self.value.get("written")
        if not written:
            return self.text
        return json.dumps(self.value | {"written": str(out / _below(self.part.out, written))}) + "\n"


def _lines(folder: Path, part: Part) -> Iterator[_Line]:
    file = folder / part.lines
    try:
        with file.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, 1):
                value = json.loads(text)
                if not isinstance(value, dict) or not isinstance(value.get("path"), str) or text[-1:] != "\n":
                    raise FormatError(f"{file}: line {number}: need a picture's line, got {text:.60}")
                yield _Line(text, value, part)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: need lines of JSON, got {error}") from error


def _below(out: str, written: object) -> str:
    """What a result is called below the folder that its line says it lies in."""
    below = os.path.relpath(str(written), out)
    if below.startswith(".."):
        raise FormatError(f"{out}: need results below the part's folder, got {written!r}")
    return below


def _written(found: Sequence[tuple[Path, Part]], out: Path, draft: Path) -> Merged:
    first_folder, first = found[0]
    failed: list[str] = []
    met: set[int] = set()
    with (draft / first.lines).open("w", encoding="utf-8") as stream:
        for line in _in_order(found):
            if hash(line.path) in met:
                raise DataError(
                    f"{line.path}: need each picture once, got it in two parts; the files changed meanwhile"
                )
            met.add(hash(line.path))
            failed += [line.path] if "error" in line.value else []
            stream.write(line.moved(out))
    if (first_folder / MODEL).exists():
        shutil.copyfile(first_folder / MODEL, draft / MODEL)
    for folder, part in found:
        for file in files_below(folder, also=folder.resolve()):
            if is_closed_folder(file):
                raise FileError(f"{Path(file)}: need a folder that can be looked into, got one without permission")
            _add(Path(file), folder, part, draft)
    return Merged(out, len(met) - len(failed), failed)


def _add(file: Path, folder: Path, part: Part, draft: Path) -> None:
    """Puts a result of a part into the whole; a link where that is possible, which takes no room."""
    target = draft / file.relative_to(folder)
    if file.parent == folder and file.name in (PART, MODEL, part.lines):
        return
    if target.exists():
        raise DataError(f"{file}: need each result once, got it in two parts; the files changed meanwhile")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(file, target)


def _by_folder(line: _Line) -> tuple[str, ...]:
    """As a folder of this machine is walked."""
    return tuple(line.path.split("/"))


def _by_text(line: _Line) -> str:
    """As S3 lists keys."""
    return line.path


def _in_order(found: Sequence[tuple[Path, Part]]) -> Iterator[_Line]:
    """All lines: in the order of names that each part has, or, where that is none, part after part."""
    parts = sorted(found, key=lambda one: one[1].share.number)
    keys: tuple[Callable[[_Line], Any], ...] = (_by_folder, _by_text)
    for key in keys:
        if all(_is_sorted(map(key, _lines(folder, part))) for folder, part in parts):
            return merge(*(_lines(folder, part) for folder, part in parts), key=key)
    return chain.from_iterable(_lines(folder, part) for folder, part in parts)


def _is_sorted(keys: Iterator[Any]) -> bool:
    return all(one <= following for one, following in pairwise(keys))
