"""The process that does the cases: each is a file that is read, a command, or a call."""

from __future__ import annotations

import gc
import os
import random
import resource
import sys
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import torch._dynamo  # noqa: F401 - which the first export of a process loads, for seconds

from convolens.arrays import release_pool
from convolens.errors import ConvolensError
from convolens.settings import memory_limit
from tests.fuzz import watch
from tests.fuzz.calls import call
from tests.fuzz.commands import run_command
from tests.fuzz.form import MEMORY, Format, Refused
from tests.fuzz.formats import FORMATS, change_of
from tests.fuzz.minimise import smallest

COMMANDS = 0.015  # of the files go through the command line
MEMORY_A_BYTE = 20  # that a case may take beside the budget, for each byte of its file
SHARED = Path("/dev/shm")  # memory that is a folder: nothing waits for a disk

BROKEN = "broken"  # the campaign itself is
BUSY = "busy"  # with making a finding's file smaller
Outcome = tuple[str, str, str]  # of what kind; what happened, in a few words that tell findings apart; and in full


def work(pipe: Connection, seed: int, mutators: str, keep: Path) -> None:
    """Does the cases that come, a kind and a first and a last number each, and tells what becomes of each."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory_limit(MEMORY)
    with TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as folder:
        cases = Cases(Path(folder), seed, mutators, keep.absolute(), lambda: pipe.send((BUSY, "", "")))
        sys.path[:] = map(os.path.abspath, sys.path)
        os.chdir(mkdtemp(dir=folder))  # for what a call writes under an odd name
        pipe.send("ready")
        while True:
            try:
                first, last, kinds = pipe.recv()
            except EOFError:
                return
            for number in range(first, last):
                try:
                    pipe.send(cases.one(number, kinds[number % len(kinds)]))
                except BrokenPipeError:  # the time is up
                    return
                except Exception:
                    pipe.send((BROKEN, "", f"case {number}: {traceback.format_exc()}"))
                    raise


class Cases:
    """Makes cases of the seed and their numbers, and does them."""

    def __init__(
        self, folder: Path, seed: int, mutators: str, keep: Path, busy: Callable[[], object] = lambda: None
    ) -> None:
        self.folder, self.seed, self.mutators, self.keep, self.busy = folder, seed, mutators, keep, busy
        self.staged: dict[str, Path] = {}
        self.known: set[str] = {path.name.partition(".")[0] for path in keep.iterdir()}

    def one(self, number: int, kind: str) -> Outcome:
        """The outcome of a case."""
        luck = random.Random(f"{self.seed}/{number}")
        if kind == "calls":
            outcome, error = judged(lambda: call(luck), 0)
            return self.told(outcome, error, number, kind, None)
        form = FORMATS[kind]
        data = made(kind, self.mutators, luck)
        act = self.reader(form, kind, luck)
        outcome, error = judged(lambda: act(data), len(data))
        return self.told(outcome, error, number, kind, (data, act))

    def reader(self, form: Format, kind: str, luck: random.Random) -> Callable[[bytes], object]:
        """Puts a file of the kind in its folder and reads it, by Python or by a command."""
        if kind not in self.staged:
            self.staged[kind] = Path(mkdtemp(dir=self.folder))
            form.stage(self.staged[kind])
        place = self.staged[kind]
        if form.commands and luck.random() < COMMANDS:
            command = luck.choice(form.commands)
            return lambda data: run_command(command, form.put(place, data), self.folder)
        return lambda data: form.read(form.put(place, data))

    def told(
        self,
        outcome: str,
        error: BaseException | None,
        number: int,
        kind: str,
        made: tuple[bytes, Callable[[bytes], object]] | None,
    ) -> Outcome:
        """Keeps the smallest file that does the same, the first time."""
        if error is None:
            return outcome, "", ""
        mark, told = words_of(error, outcome)
        name = f"{kind}-{mark}".replace(" ", "-").replace("/", "-")
        if name not in self.known:
            self.known.add(name)
            (self.keep / f"{name}.txt").write_text(f"seed {self.seed}, case {number}\n{told}\n{trace_of(error)}")
            if made is not None:
                self.keep_smallest(name, kind, *made, (outcome, mark))
        return outcome, f"{kind}-{mark}", told

    def keep_smallest(
        self, name: str, kind: str, data: bytes, act: Callable[[bytes], object], found: tuple[str, str]
    ) -> None:
        suffix = Path(FORMATS[kind].name).suffix

        def same(less: bytes) -> bool:
            self.busy()
            outcome, error = judged(lambda: act(less), len(less))
            return error is not None and (outcome, words_of(error, outcome)[0]) == found

        (self.keep / f"{name}{suffix}").write_bytes(data)
        (self.keep / f"{name}{suffix}").write_bytes(smallest(data, same))


def made(kind: str, mutators: str, luck: random.Random) -> bytes:
    """A changed file of the kind."""
    form = FORMATS[kind]
    return change_of(kind, mutators)(luck.choice(form.seeds()), luck)


def judged(act: Callable[[], object], size: int) -> tuple[str, BaseException | None]:
    """What becomes of it, and the error, where that is a finding."""
    watch.forget_peak()
    before = watch.peak()
    outcome, error, result = _outcome(act)
    grown = watch.peak() - before
    if grown > MEMORY + MEMORY_A_BYTE * size:
        gc.collect()
        release_pool()
        if error is None:
            return "memory", MemoryError(f"{grown:,} bytes for a file of {size:,}; {result!r:.300}")
    return outcome, error


def _outcome(act: Callable[[], object]) -> tuple[str, BaseException | None, object]:
    try:
        return "clean", None, act()
    except (ConvolensError, Refused) as error:
        return "typed", None, error
    except AssertionError as error:
        return "wrong success", error, None
    except BaseException as error:  # what is looked for; a panic of Rust's is no Exception
        return "untyped", error, None


def words_of(error: BaseException, outcome: str) -> tuple[str, str]:
    """A mark that is the same for findings that are, and what happened, where."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/convolens/" in frame.filename] or frames
    where = f"{Path(own[-1].filename).stem}.{own[-1].name}" if own else ""
    notes = " ".join(getattr(error, "__notes__", ()))
    mark = f"{outcome}-{type(error).__name__}-{where}"
    return mark, f"{type(error).__name__}: {str(error)[:200]!r} at {where} {notes}"


def trace_of(error: BaseException) -> str:
    """The whole of it, but for endless repetitions."""
    text = "".join(traceback.format_exception(error))
    return text if len(text) < 20_000 else f"{text[:10_000]}\n…\n{text[-10_000:]}"
