"""Which pictures are meant by what was given: files, folders, patterns, addresses, shards, tables; one rule for all.

They are found as they are needed: work on the first begins before the last is listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from glob import glob, has_magic
from itertools import count
from pathlib import Path

from convolens.errors import ArgumentError, FileError
from convolens.media.files import AnyPath, as_path, is_there, need_name
from convolens.media.folders import NOT_MEANT, files_below, is_closed_folder, is_left_out
from convolens.media.notes import note
from convolens.media.picture_formats import WRITTEN, is_picture, passed_over
from convolens.media.result_paths import folder_of_source
from convolens.sources import Share, Stored, as_address
from convolens.sources.addresses import need_usable
from convolens.sources.found import in_shard, is_pattern, is_shard, is_shard_name, objects_of, size_of
from convolens.sources.listing import kind_of
from convolens.sources.names import leads_out
from convolens.sources.stored import Unreadable

File = Path | Stored  # of this machine; or of a store, a shard, a table


def find_pictures(
    sources: Sequence[AnyPath], *, outside: AnyPath | None = None, share: Share | None = None
) -> Iterator[File]:
    """The pictures that are meant, as they are found.

    Those are files as they are, folders with all below, and patterns such as `"photos/*.jpg"`; the same at addresses
    such as `s3://bucket/photos`; and all in tar shards and Parquet tables that are named or fit a pattern.

    Args:
        sources: in order; a file is taken whatever its suffix, in folders, patterns and shards only pictures'.
        outside: a folder whose files are left out, as they are results; but for those that are named themselves.
        share: gives those of this share alone.

    Raises:
        FileError: a source without pictures, or a store that does not answer.
        MissingExtraError: a store or a table needs a package that is not installed.
    """
    return (one for one, _ in _found(sources, outside, share, opened=True))


def find_closed(
    sources: Sequence[AnyPath], *, outside: AnyPath | None = None, share: Share | None = None
) -> Iterator[tuple[File, bool]]:
    """The same, but shards and tables as they are, unopened; each with whether it is one. Arguments as there."""
    return _found(sources, outside, share, opened=False)


def _found(
    sources: Sequence[AnyPath], outside: AnyPath | None, share: Share | None, *, opened: bool
) -> Iterator[tuple[File, bool]]:
    turns = count()  # of shards and tables, in all sources

    def is_ours(name: Callable[[], str], *, shard: bool) -> bool:
        if share is None:
            return True
        return share.takes_at(next(turns)) if shard else share.takes(name())

    for source in sources:
        address = as_address(source)
        if address is not None:
            yield from _in_store(address, as_address(outside), is_ours, opened)
        else:
            yield from _on_disk(Path(source), None if as_address(outside) else outside, is_ours, opened)


IsOurs = Callable[..., bool]  # by what a file is called below its source, and whether it is a shard


def _on_disk(path: Path, outside: AnyPath | None, is_ours: IsOurs, opened: bool) -> Iterator[tuple[File, bool]]:
    hidden = Path(outside).resolve() if outside else None
    base = folder_of_source(path)
    found, results = False, 0
    others: list[str] = []
    for file in _meant(path, others, hidden):
        if hidden is not None and file is not path and file.resolve().is_relative_to(hidden):
            results += 1
            continue
        shard = is_shard_name(file.name)
        if is_ours(partial(_below_base, file, base), shard=shard):
            closed = shard and not opened
            for one in _pictures_in(str(file)) if shard and opened else (file,):
                found = True
                yield one, closed
        else:
            found = True
    if not found and results:
        raise FileError(
            f"{path}: need pictures, found {results:,}, all below {outside}, which is left out as the folder of "
            "results; give the results another folder"
        )
    held = passed_over(other for other in others if hidden is None or not _is_below(other, hidden))
    if not found:
        raise FileError(f"{path}: need pictures ({' '.join(WRITTEN)} …), found {held or 'none'}")
    if held:
        note(f"{path}: passed over {held}")


def _below_base(file: Path, base: Path) -> str:
    """What a file is called below its source, for which it does not matter where that is."""
    return file.relative_to(base).as_posix() if file.is_relative_to(base) else file.name


def _in_store(address: str, outside: str | None, is_ours: IsOurs, opened: bool) -> Iterator[tuple[File, bool]]:
    """The pictures that an address stands for; what else is there is told at the end."""
    found, others = False, _Counted()
    several = is_pattern(address)
    for one, name in objects_of(address):
        named = not several and one.address == address  # taken whatever its suffix
        if leads_out(name):
            found = True
            yield Unreadable(one.where, why=f"{address}: need names that stay inside, got {name!r}"), False
            continue
        if not named and (any(map(is_left_out, name.split("/"))) or (outside and _is_within(one.where, outside))):
            continue
        shard = is_shard(one.address) and (named or several)
        if not (named or shard or is_picture(one.name)):
            others.add(name)
            continue
        if is_ours(lambda name=name: name, shard=shard):
            closed = shard and not opened
            for file in _pictures_in(one.address, one.size) if shard and opened else (one,):
                found = True
                yield file, closed
        else:
            found = True
    held = passed_over(others.examples())
    if not found:
        raise FileError(f"{address}: need pictures ({' '.join(WRITTEN)} …), found {held or 'none'}")
    if held:
        note(f"{address}: passed over {held}")


class _Counted:
    """Names by their suffix, of which a store may hold millions: how many, and none of them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, name: str) -> None:
        end = os.path.splitext(name)[1].lower()  # noqa: PTH122
        self._counts[end] = self._counts.get(end, 0) + 1

    def examples(self) -> Iterator[str]:
        """A name for each that was added."""
        return (f"any{end}" for end, number in self._counts.items() for _ in range(number))


def _is_within(where: str, folder: str) -> bool:
    return where.startswith(f"{folder.rstrip('/')}/")


def _pictures_in(shard: str, size: int | None = None) -> Iterator[Stored]:
    """The pictures in a shard or a table, and what of it cannot be used; a word where there is neither."""
    found, others = False, _Counted()
    for one in in_shard(shard, size):
        of_shard = isinstance(one, Unreadable) and one.of_shard
        if of_shard or not shard.lower().endswith(".tar") or is_picture(one.name):
            found = True
            yield one
        else:
            others.add(one.name)
    if not found:
        held = passed_over(others.examples())
        yield Unreadable(shard, why=f"{shard}: need pictures in the shard, found {held or 'none'}", of_shard=True)


def _is_below(name: str, folder: Path) -> bool:
    return Path(name).resolve().is_relative_to(folder)


def is_many(source: AnyPath) -> bool:
    """Whether it names a folder, a pattern or a shard rather than a file."""
    address = as_address(source)
    if address is not None:
        need_usable(address)
        if is_pattern(address) or is_shard(address):
            return True
        return not is_picture(address) and kind_of(address)[0] == "folder"
    path = Path(source)
    return path.is_dir() or (path.is_file() and is_shard(path)) or (not path.exists() and has_magic(str(path)))


def as_sources(sources: object) -> Sequence[AnyPath]:
    """Sources that were given for an argument.

    Raises:
        ArgumentError: no list, or something in it that is no name.
        FileError: a name that no file can have.
    """
    if not isinstance(sources, list | tuple):
        raise ArgumentError(
            f"sources: need a list of files, folders, patterns or addresses, got {type(sources).__name__}"
        )
    for source in sources:
        need_name(as_path(source, "files, folders, patterns or addresses", "sources"))
    return sources


def count_pictures(sources: Sequence[AnyPath], outside: AnyPath | None, share: Share | None = None) -> int | None:
    """How many `find_pictures` gives; None of stores and shards, where they are only known as they come.

    Errors as there: a source without any is refused, as far as its first picture shows.
    """
    if not any(as_address(source) or is_shard(source) for source in sources):
        return sum(1 for _ in find_pictures(sources, outside=outside, share=share))
    for source in sources:
        next(find_pictures([source], outside=outside), None)
    return None


def _meant(path: Path, others: list[str], hidden: Path | None) -> Iterator[Path]:
    """The files; what else a folder or a pattern gives is added to the others."""
    if path.is_dir():
        for name in files_below(path, also=hidden):
            if is_picture(name) or is_closed_folder(name):
                yield Path(name)
            else:
                others.append(name)
    elif path.exists() or not has_magic(str(path)):
        yield path
    else:
        for name in _matching(str(path)):
            if is_picture(name) or is_shard_name(name):
                yield Path(name)
            else:
                others.append(name)


def _matching(pattern: str) -> list[str]:
    found = glob(pattern, recursive=True)  # noqa: PTH207 - Path's needs the root and the pattern apart
    return sorted(name for name in found if NOT_MEANT.isdisjoint(Path(name).parts) and Path(name).is_file())


def shards_in(path: AnyPath) -> list[tuple[str, int]]:
    """The shards and tables of this machine that a name, a pattern or a folder stands for, and the bytes of each.

    A folder stands for them where it holds nothing else: neither folders nor pictures. Nothing where there are none.
    """
    given = as_path(path, "where the data is")
    if is_there(given, "a folder or a file of data") and given.is_dir():
        try:
            entries = sorted(os.scandir(given), key=lambda one: one.name)
        except OSError:  # told by whoever reads it
            return []
        names = [entry for entry in entries if not is_left_out(entry.name)]
        if any(entry.is_dir() or is_picture(entry.name) for entry in names):
            return []
        found = [entry.path for entry in names if is_shard_name(entry.name)]
    elif given.exists() or not has_magic(str(given)):
        found = [str(given)] if is_shard_name(given.name) and given.is_file() else []
    else:
        found = [name for name in _matching(str(given)) if is_shard_name(name)]
    return [(name, size_of(name)) for name in found]
