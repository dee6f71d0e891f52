"""Parts of a run that several machines share (`--shard 3/16`): which part a folder is, and whether it is whole.

    PART/part.json   the command and its options, the sources, which part of how many; and, once it is done, that it is

`convolens merge` puts parts together; it goes by this file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.errors import ArgumentError, FormatError
from convolens.media.files import AnyPath, need_file, write_json
from convolens.sources import Share
from convolens.sources.addresses import shown_address

PART = "part.json"
_KEYS = {"command": str, "run": dict, "sources": list, "shard": str, "complete": bool, "lines": str, "out": str}


@dataclass(frozen=True)
class Part:
    """What a folder of results says that it is.

    Attributes:
        command: `predict`, `explain`, `blur`, ….
        run: what must be the same in all parts: the model, the options.
        sources: what the command was given to read.
        share: which part.
        complete: whether all of it was done; single pictures may have failed.
        lines: the name of the file beside it that has a line for each picture.
        out: the folder as the command called it, which lines that say where something was written begin with.
    """

    command: str
    run: Mapping[str, Any]
    sources: Sequence[str]
    share: Share
    complete: bool
    lines: str
    out: str = ""

    def is_of_the_run_of(self, other: Part) -> bool:
        """Whether both are parts of one run."""
        return _facts(self) == _facts(other)


def _facts(part: Part) -> tuple[object, ...]:
    return part.command, part.run, part.sources, part.share.count, part.lines


@contextmanager
def part_in(
    folder: Path, share: Share | None, command: str, run: Mapping[str, Any], sources: Sequence[AnyPath], lines: str
) -> Iterator[None]:
    """Meanwhile a part of a run is made in a folder, which then says that it is whole; nothing without a share.

    Args:
        folder: of results, which is there.
        share: which part.
        command: that makes it.
        run: what must be the same in all parts, in plain data.
        sources: what is read.
        lines: the name of the file with a line for each picture.

    Raises:
        ArgumentError: the folder holds another part, or results that are no part.
        FileError: it cannot be written.
    """
    target, plain = folder / PART, json.loads(json.dumps(run, default=str))
    there = read_part(folder) if target.exists() else None
    if share is None:
        if there is not None:
            raise ArgumentError(f"{folder}: holds part {there.share} of a run; give another folder, or the same shard")
        yield
        return
    here = Part(command, plain, [shown_address(str(one)) for one in sources], share, False, lines, str(folder))
    if there is None and (folder / lines).exists():
        raise ArgumentError(f"{folder}: holds the results of a run that is not shared; give another folder")
    if there is not None and not (here.is_of_the_run_of(there) and there.share == share):
        raise ArgumentError(f"{folder}: holds part {there.share} of another run; give another folder")
    _write(target, here, complete=False)
    yield
    _write(target, here, complete=True)


def read_part(folder: Path) -> Part:
    """What a folder says that it is.

    Raises:
        FileError: it says nothing.
        FormatError: what it says makes no sense.
    """
    file = need_file(folder / PART, "the description of a part, as --shard writes it")
    try:
        told = json.loads(file.read_text("utf-8"))
        for name, kind in _KEYS.items():
            if not isinstance(told[name], kind):
                raise TypeError(f"{name!r} is none of {kind.__name__}")
        share = Share.of(told["shard"])
        assert share is not None
        lines = told["lines"]
        if Path(lines).name != lines:
            raise ValueError(f"{lines!r} is no name of a file")
        return Part(told["command"], told["run"], told["sources"], share, told["complete"], lines, told["out"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise FormatError(f"{file}: need the description of a part, got {error}; make the part anew") from error


def _write(target: Path, part: Part, *, complete: bool) -> None:
    told = {"command": part.command, "run": part.run, "sources": part.sources, "shard": str(part.share)}
    write_json(target, told | {"complete": complete, "lines": part.lines, "out": part.out})
