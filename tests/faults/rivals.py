"""Two at once: while one writes into a folder and is held up, another is told so and changes nothing."""

from __future__ import annotations

import os
import signal

from tests.faults.children import run, start
from tests.faults.commands import COMMANDS
from tests.faults.workplace import Record, Workplace


def rivals(workplace: Workplace, record: Record, names: list[str]) -> None:
    """Runs each command twice at once; those that write one file alone may both be done, one after the other."""
    for name in names:
        if f"two {name}" not in record.done:
            record.add(case=f"two {name}", command=name, wrong=_two(workplace, name))


def _two(workplace: Workplace, name: str) -> str:
    command, known = COMMANDS[name], workplace.undisturbed(name)
    workplace.clear()
    words = command.line.split()
    first = start(words, workplace.folder)
    first.until(lambda: _is_held(workplace) if command.locks else first.seconds() > known.seconds / 2)
    if first.ended is not None:
        return f"the first has ended already: {first.finish().err.strip()[-200:]}"
    os.kill(first.pid, signal.SIGSTOP)
    second = run(words, workplace.folder)
    os.kill(first.pid, signal.SIGCONT)
    done = first.finish()
    if command.locks and (second.code != 2 or f"is being written to by process {first.pid} on" not in second.err):
        return f"the second is not told of the first: exit code {second.code}: {second.err.strip()[-200:]}"
    is_told = "is already there" in second.err  # the first, by then, as `convert` makes a folder once
    if not command.locks and second.code != command.code and not is_told:
        return f"the second: exit code {second.code}: {second.err.strip()[-200:]}"
    return workplace.wrong(command, done, known.files)


def _is_held(workplace: Workplace) -> bool:
    """Whether it stands there who is writing."""
    return any(path.stat().st_size for path in workplace.out.rglob("*.in-use-by"))
