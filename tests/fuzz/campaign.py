"""Reads thousands of damaged files, calls with thousands of odd arguments, and counts what comes of it.

    python -m tests.fuzz --minutes 2

Each case is made from the seed and its number alone, so that any can be made again (`--start N --cases 1`) and a
campaign resumed. A process of its own does the work: where it ends or hangs, that is a finding, and another goes on
after it. What is not clean or a typed error is kept in `--keep`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from convolens.errors import ConvolensError
from tests.fuzz.calls import call
from tests.fuzz.formats import FORMATS

KINDS = (*FORMATS, "calls")
OUTCOMES = ("clean", "typed", "untyped", "crash", "hang", "wrong success")
HANG_SECONDS = 90.0  # more than the 60 after which reading HDF5 is given up, on however busy a machine


def main() -> int:
    """Runs the campaign; the exit code is 1 where there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=1 << 60, help="how many at most")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "convolens-fuzz")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    counts = campaign(options)
    print(table(counts))
    return int(any(counts[kind, outcome] for kind in KINDS for outcome in OUTCOMES[2:]))


def campaign(options: argparse.Namespace) -> Counter[tuple[str, str]]:
    """Counts outcomes by kind, until the time is up."""
    counts: Counter[tuple[str, str]] = Counter()
    number, deadline = options.start, time.monotonic() + 60 * options.minutes
    worker = Worker(options)
    while time.monotonic() < deadline and number < options.start + options.cases:
        kind, outcome, told = worker.do(number)
        counts[kind, outcome] += 1
        if outcome not in OUTCOMES[:2]:
            print(f"case {number}, {kind}: {outcome}: {told}", flush=True)
        number += 1
    worker.end()
    print(f"cases {options.start} to {number - 1} of seed {options.seed}")
    return counts


class Worker:
    """The process that does the cases, made anew when it has ended."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.begin()

    def begin(self) -> None:
        """Starts the process."""
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, self.options), daemon=False)
        self.process.start()
        other.close()
        self.pipe.recv()  # it has imported everything

    def do(self, number: int) -> tuple[str, str, str]:
        """One case: its kind, outcome and what is told of it."""
        kind = kind_of(number, self.options)
        self.pipe.send(number)
        try:
            if self.pipe.poll(HANG_SECONDS):
                return (kind, *self.pipe.recv())
            outcome = "hang"
        except EOFError:
            outcome = "crash"
        self.process.kill()
        self.process.join()
        told = f"exit code {self.process.exitcode}"
        self.begin()
        return kind, outcome, told

    def end(self) -> None:
        """Ends the process."""
        self.pipe.close()
        self.process.join(5)
        self.process.kill()


def kind_of(number: int, options: argparse.Namespace) -> str:
    """Which kind a case is of: each in turn."""
    return options.only or KINDS[number % len(KINDS)]


def work(pipe: Connection, options: argparse.Namespace) -> None:
    """Does the cases whose numbers come, in the process of its own."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        pipe.send("ready")
        while True:
            try:
                number = pipe.recv()
            except EOFError:
                return
            pipe.send(one(number, kind_of(number, options), Path(folder), options))


def one(number: int, kind: str, folder: Path, options: argparse.Namespace) -> tuple[str, str]:
    """The outcome of a case, and what is told of it."""
    luck = random.Random(f"{options.seed}/{number}")
    path = None
    try:
        if kind == "calls":
            call(luck)
            return "clean", ""
        form = FORMATS[kind]
        path = folder / f"case{form.suffix}"
        path.write_bytes(form.change(luck.choice(form.seeds()), luck))
        form.read(path)
    except ConvolensError:
        return "typed", ""
    except AssertionError as error:
        return "wrong success", kept(number, kind, path, options, error)
    except Exception as error:  # what is looked for
        return "untyped", kept(number, kind, path, options, error)
    return "clean", ""


def kept(number: int, kind: str, path: Path | None, options: argparse.Namespace, error: Exception) -> str:
    """Keeps the file, and says what happened, where."""
    if path is not None and path.exists():
        (options.keep / f"{kind.replace(' ', '-')}-{options.seed}-{number}{path.suffix}").write_bytes(path.read_bytes())
    where = traceback.extract_tb(error.__traceback__)[-1]
    notes = " ".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {str(error)[:150]!r} at {Path(where.filename).name}:{where.lineno} {notes}"


def table(counts: Counter[tuple[str, str]]) -> str:
    """Cases by kind and outcome, in columns."""
    rows = [("", "cases", *OUTCOMES)]
    for kind in KINDS:
        found = [counts[kind, outcome] for outcome in OUTCOMES]
        rows.append((kind, str(sum(found)), *map(str, found)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
