"""Permission lost at every file: each input, output and folder in turn is closed to a user who is not root."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults.children import Run, run
from tests.faults.commands import COMMANDS, MANY
from tests.faults.looking import half_written, leftovers, snapshot
from tests.faults.workplace import Record, Workplace

NOBODY = 65534
SAID = (
    "Permission denied",
    "is not readable",
    "is not writable",
    "is already there",
    "has the changes of",
)  # the last two: `convert` and `apply`, of their folders
DONE_YET = ("train", "doctor", "evaluate", "quantize", "tour")  # which tell what they skipped, and are done nonetheless
EACH = 3  # files of a folder that are tried, where not all are: they are alike


def permission(workplace: Workplace, record: Record, names: list[str], every: bool) -> None:
    """Closes each file and folder of each command in turn.

    Raises:
        PermissionError: this is not root, who alone may become another.
    """
    for name in names:
        if name == "weights import .h5" and not _all_may_start_python():
            print(f"{name}: left out, as it starts a process, and others than root may start none here")
            continue
        files = [Path("out", one) for one in workplace.undisturbed(name).files]
        outputs = sorted({*files, *(folder for file in files for folder in file.parents if folder != Path())})
        for path in _each(workplace, _inputs(workplace, name), every):
            _case(workplace, record, name, path, 0, before=False)
        for path in _each(workplace, outputs, every):
            for mode in (0,) if path in files else (0o555, 0):
                _case(workplace, record, name, path, mode, before=True)


def _case(workplace: Workplace, record: Record, name: str, path: Path, mode: int, *, before: bool) -> None:
    case = f"{mode:o} {path} {name}"
    if case not in record.done:
        record.add(case=case, command=name, wrong=_closed(workplace, name, path, mode, before))


def _closed(workplace: Workplace, name: str, path: Path, mode: int, before: bool) -> str:
    """What is wrong with how a command ends that finds a file or folder closed; `before`: after an earlier run."""
    command, closed = COMMANDS[name], workplace.folder / path
    workplace.clear()
    _give_away(workplace.folder)
    words = command.line.split()
    if before:
        run(words, workplace.folder, _become_nobody)
        words = workplace.again(command)
    kept = closed.stat().st_mode
    closed.chmod(mode)
    try:
        done = run(words, workplace.folder, _become_nobody)
    finally:
        if closed.exists():  # under this name
            closed.chmod(kept)
    return _told(workplace, name, path, done)


def _told(workplace: Workplace, name: str, path: Path, done: Run) -> str:
    command, known = COMMANDS[name], workplace.undisturbed(name).files
    if done.code == command.code and "Permission denied" not in done.err:
        return workplace.wrong(command, done, known)
    lines = done.err.strip().splitlines()
    if done.hung or "Traceback" in done.err:
        return "hang" if done.hung else f"traceback: {lines[-1]}"
    if done.code != 2 and not (name.startswith(DONE_YET) and done.code in (0, 1)):
        return f"exit code {done.code}: {lines[-1:]}"
    told = [
        *lines,
        *done.out.splitlines(),
        *(line for file in workplace.out.rglob("predictions.*") for line in file.read_text().splitlines()),
    ]
    if not any(any(word in line for word in SAID) and _names(line, path) for line in told):
        return f"no sentence with the file and the reason: {lines[-1:]}"
    if cut := half_written(workplace.out):
        return f"half-written: {cut[0]}"
    if left := [one for one in leftovers(workplace.folder) if not one.endswith("predictions.part.jsonl")]:
        return f"leftover: {', '.join(left)}"
    if name in MANY and path.parts[0] == "in" and path.suffix == ".png" and path.parts[1] == MANY[name]:
        missing = [one for one in known if one not in snapshot(workplace.out) and path.stem not in one]
        if missing:
            return f"others are not done: {', '.join(missing)}"
    return ""


def _all_may_start_python() -> bool:
    """Whether each folder above the interpreter is open to all."""
    return all(folder.stat().st_mode & 0o001 for folder in Path(sys.executable).resolve().parents)


def _names(line: str, path: Path) -> bool:
    """Whether a sentence names a file, or one in it or beside it: a folder is found closed when a file is wanted."""
    return str(path) in line or (path.parts[0] == "out" and "out" in line)


def _inputs(workplace: Workplace, name: str) -> Iterator[Path]:
    """The files that a command reads and the folders they lie in."""
    for word in COMMANDS[name].line.split():
        if word.startswith("in/"):
            path = workplace.folder / word
            yield Path(word)
            if path.suffix == ".csv":
                path = workplace.folder / "in" / "pictures"
            if path.is_dir():
                yield from sorted(one.relative_to(workplace.folder) for one in path.rglob("*"))


def _each(workplace: Workplace, paths: Iterator[Path] | list[Path], every: bool) -> list[Path]:
    """The paths once each, of the alike in a folder only the first."""
    counts: dict[tuple[Path, str], int] = {}
    kept = []
    for path in dict.fromkeys(paths):
        alike = (path.parent, path.suffix)
        counts[alike] = counts.get(alike, 0) + 1
        if every or counts[alike] <= EACH or (workplace.folder / path).is_dir():
            kept.append(path)
    return kept


def _give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, NOBODY, NOBODY)


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
