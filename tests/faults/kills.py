"""Kills at random moments, some of them again while the rerun is under way; then the command is let through.

A moment is a number of processor seconds of the command, uniform over what it takes undisturbed: by the clock on the
wall, a busy machine would shift all of them towards the start.
"""

from __future__ import annotations

import os
import random
import signal

from tests.faults.children import left_running, run, start
from tests.faults.commands import COMMANDS
from tests.faults.looking import difference, half_written, snapshot
from tests.faults.workplace import Record, Workplace

KILLS = (signal.SIGKILL, signal.SIGTERM)
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
Kinds = tuple[signal.Signals, ...]
SELDOM = 5  # commands that take long are disturbed in every fifth round alone
ALREADY = ("is already there", "has the changes of")  # what `convert`, `merge` and `apply` say of what they made before
TRUE_SHARE = 0.02  # of the cases: a true process takes seconds until torch is imported


def kills(workplace: Workplace, record: Record, names: list[str], count: int, seed: int, kinds: Kinds) -> None:
    """Kills commands until so many kills are written down."""
    number, killed = 0, sum(row["kills"] for row in record.rows)
    while killed < count:
        name = names[number % len(names)]
        case, is_due = f"{seed}/{number} {name}", not (COMMANDS[name].slow and number // len(names) % SELDOM)
        if is_due and case not in record.done:
            done = one(workplace, name, random.Random(f"kills {seed}/{number}"), kinds)
            record.add(case=case, command=name, **done)
            killed += done["kills"]
        number += 1


def one(workplace: Workplace, name: str, luck: random.Random, kinds: Kinds) -> dict[str, object]:
    """One case: a kill or two, then the command is let through."""
    command = COMMANDS[name]
    true, times = luck.random() < TRUE_SHARE, 1 + (luck.random() < 1 / 3)  # so half the kills are of such pairs
    known = workplace.undisturbed(name, true=true)
    workplace.clear()
    how, killed, wrong = [], 0, ""
    for attempt in range(times):
        words = workplace.again(command) if attempt else command.line.split()
        kind = luck.choice(kinds)
        at = luck.random() * known.seconds
        was_killed, wrong = _killed(workplace, words, kind, at, true)
        how.append(f"{kind.name} at {at:.3f}")
        killed += was_killed
        if wrong:
            break
    if killed and not wrong:
        done = run(workplace.again(command), workplace.folder)
        if not any(words in done.err for words in ALREADY):  # it was killed when all was done
            wrong = workplace.wrong(command, done, known.files)
        else:
            wrong = difference(snapshot(workplace.out), known.files)
    return {"kills": killed, "how": how, "true": true, "wrong": wrong}


def _killed(workplace: Workplace, words: list[str], how: signal.Signals, at: float, true: bool) -> tuple[bool, str]:
    """Whether a command was killed at a moment of its own time, and what is wrong with what it left."""
    child = start(words, workplace.folder, true=true)
    if child.until(lambda: child.seconds() >= at):
        os.kill(child.pid, how)
    done = child.finish()
    if running := left_running(child.pid):
        return True, f"left running: {running[0]}"
    if done.hung:
        return True, "hang"
    if "Traceback" in done.err:
        return True, f"traceback: {done.err.strip().splitlines()[-1]}"
    if -done.code in CRASHES:
        return True, f"{signal.Signals(-done.code).name} after {how.name}: {done.err.strip()[-300:]}"
    if cut := half_written(workplace.out):
        return True, f"half-written after {how.name}: {cut[0]}"
    return done.code in (-how, 128 + how), ""
