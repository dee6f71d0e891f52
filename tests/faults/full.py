"""A full disk, at every 4 KiB: by a limit on the size of a file, and by a small file system, where one can be mounted.

Large results are tried at some of the steps, or with `--all` at each.
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

from tests.faults.children import Run, run
from tests.faults.commands import COMMANDS
from tests.faults.looking import half_written, leftovers
from tests.faults.workplace import Record, Workplace

STEP = 4096
FEW = 12  # steps of a command whose results are large, where not all are tried
RESUMED = ("predictions.part.jsonl", ".resume.safetensors")  # what is meant to stay
SAID = ("File too large", "No space left on device")


def full(workplace: Workplace, record: Record, names: list[str], every: bool) -> None:
    """Fills the disk while each command runs, at each step."""
    mounts = _can_mount(workplace.out)
    for name in names:
        sizes = workplace.undisturbed(name).sizes
        pages = sum(-(-size // STEP) + 2 for size in sizes) + 8  # a draft, a lock, folders
        for kind, last in (("limit", -(-max(sizes) // STEP)), ("disk", pages)):
            for step in _steps(last, every) if kind == "limit" or mounts else ():
                case = f"{kind} {step} {name}"
                if case not in record.done:
                    wrong = _limited(workplace, name, step) if kind == "limit" else _small(workplace, name, step)
                    record.add(case=case, command=name, wrong=wrong)


def _steps(last: int, every: bool) -> list[int]:
    """Numbers of pages that there is room for: all, or the first and some of the others."""
    if every or last <= FEW:
        return list(range(last + 1))
    half = FEW // 2
    return sorted({*range(half), *(half + (last - half) * one // half for one in range(half + 1))})


def _limited(workplace: Workplace, name: str, step: int) -> str:
    """No file may be larger."""
    workplace.clear()
    size = step * STEP
    done = run(
        COMMANDS[name].line.split(),
        workplace.folder,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    return _told(workplace, name, done) or _room_again(workplace, name, done)


def _small(workplace: Workplace, name: str, step: int) -> str:
    """All files together find no more room."""
    workplace.clear()
    _mount(workplace.out, f"size={max(step, 1) * STEP}")
    try:
        done = run(COMMANDS[name].line.split(), workplace.folder)
        wrong = _told(workplace, name, done)
        _mount(workplace.out, "remount,size=1G")
        return wrong or _room_again(workplace, name, done)
    finally:
        subprocess.run(["umount", str(workplace.out)], check=True)


def _told(workplace: Workplace, name: str, done: Run) -> str:
    """What is wrong with how a command ended for which there was no room; one for which there was ends as ever."""
    command = COMMANDS[name]
    if done.code == command.code and not any(word in done.err for word in SAID):
        return workplace.wrong(command, done, workplace.undisturbed(name).files)
    lines = done.err.strip().splitlines()
    if done.hung or "Traceback" in done.err:
        return "hang" if done.hung else f"traceback: {lines[-1]}"
    if done.code != 2 and not (name == "tour" and done.code == 1):  # whose page says which section failed
        return f"exit code {done.code}: {lines[-1:]}"
    telling = [
        line for line in lines if ("out/" in line or "coffee.png: " in line) and any(word in line for word in SAID)
    ]
    if not telling:
        return f"no sentence with the file and the reason: {lines[-1:]}"
    if cut := half_written(workplace.out):
        return f"half-written: {cut[0]}"
    left = [one for one in leftovers(workplace.folder) if not one.endswith(RESUMED)]
    return f"leftover: {', '.join(left)}" if left else ""


def _room_again(workplace: Workplace, name: str, done: Run) -> str:
    """What is wrong once there is room and the command is run again."""
    command = COMMANDS[name]
    if done.code == command.code:
        return ""
    again = run(workplace.again(command), workplace.folder)
    wrong = workplace.wrong(command, again, workplace.undisturbed(name).files)
    return f"with room again: {wrong}" if wrong else ""


def _mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True)


def _can_mount(place: Path) -> bool:
    try:
        _mount(place, "size=64k")
    except (OSError, subprocess.CalledProcessError):
        print("no file system can be mounted here: the disk is not filled, only files are limited")
        return False
    subprocess.run(["umount", str(place)], check=True)
    return True
