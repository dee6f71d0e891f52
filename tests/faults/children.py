"""Runs command lines in children that can be disturbed.

Importing torch takes seconds, the commands on tiny inputs a fraction of one. So this process imports everything once,
starts no thread, and forks: a child runs the command line as `convolens` does, in a session of its own. A share of the
runs is done by true processes (`python -m convolens`), whose start can be disturbed too.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LATE = (
    "filelock", "h5py", "imagecodecs", "matplotlib.backends.backend_agg", "pi_heif", "pydantic.main", "scipy.ndimage",
    "torch._dynamo", "torch.utils._device", "typer._click.decorators", "annotated_types", "encodings.ascii", "graphlib",
    "encodings.utf_8_sig",
    "importlib.readers", "importlib.resources.readers", "pydantic.fields", "pydantic.plugin._loader", "resource",
)  # fmt: skip
HANG_SECONDS = 600.0  # the machine may be busy
STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


def import_everything() -> None:
    """Imports what the commands import.

    Raises:
        RuntimeError: something started a thread, which no child would have.
    """
    import convolens

    for module in pkgutil.walk_packages(convolens.__path__, "convolens."):
        if not module.name.endswith(("__main__", "hdf5_child")):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    importlib.import_module("PIL.Image").init()
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - not files
        raise RuntimeError("a module started a thread; forked children would lack it")
    gc.freeze()  # the children's collections need not look at all this, and so copy it


def apart(work: Callable[[], object]) -> None:
    """Does some work in a child, so that what it starts and loads is not here.

    Raises:
        RuntimeError: it fails there.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("what was to be done in a child failed there")


@dataclass
class Run:
    """How a run went: the exit code, negative where a signal ended it, what it said, and its processor seconds."""

    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False


@dataclass
class Child:
    """A command that runs."""

    pid: int
    pipes: tuple[int, int]
    said: list[bytes] = field(default_factory=lambda: [b"", b""])
    ended: tuple[int, float] | None = None

    def seconds(self) -> float:
        """Processor time so far."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # the clock of another process
        except OSError:
            return float("inf")

    def tend(self, wait: float = 0.001) -> bool:
        """Reads what it says; whether it still runs."""
        with selectors.DefaultSelector() as waiting:
            for number, pipe in enumerate(self.pipes):
                if pipe >= 0:
                    waiting.register(pipe, selectors.EVENT_READ, number)
            for key, _ in waiting.select(wait):
                self.said[key.data] += os.read(key.fd, 1 << 16)
        if self.ended is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.ended = (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)
        return self.ended is None

    def until(self, happens: Callable[[], bool]) -> bool:
        """Waits until something happens, or it ends; whether it still runs."""
        deadline = time.monotonic() + HANG_SECONDS
        while self.tend() and not happens() and time.monotonic() < deadline:
            pass
        return self.ended is None

    def finish(self) -> Run:
        """Waits for its end."""
        hung = self.until(lambda: False)
        if hung:
            os.kill(self.pid, signal.SIGKILL)
            while self.tend():
                pass
        assert self.ended is not None
        for number, pipe in enumerate(self.pipes):
            if pipe >= 0:
                os.set_blocking(pipe, False)
                while more := _read(pipe):
                    self.said[number] += more
                os.close(pipe)
        out, err = (said.decode(errors="replace") for said in self.said)
        return Run(self.ended[0], out, err, self.ended[1], hung)


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 1 << 16)
    except BlockingIOError:  # a process that it left behind has the other end
        return b""


def start(
    words: Sequence[str], folder: Path, before: Callable[[], object] = lambda: None, *, true: bool = False
) -> Child:
    """Starts a command line.

    Args:
        words: of the command line.
        folder: to work in; its `tmp` is for temporary files.
        before: is called in the child, first.
        true: in a process that is not forked from this one's imports.
    """
    out, err = os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            _become(words, folder, (out[1], err[1]), before, true)
        finally:  # whatever happens, it does not go on as this process would
            os._exit(70)
    os.close(out[1])
    os.close(err[1])
    return Child(pid, (out[0], err[0]))


def _become(
    words: Sequence[str], folder: Path, streams: tuple[int, int], before: Callable[[], object], true: bool
) -> None:
    """In the child: does the command and ends, as the interpreter does."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it, nohup the next
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(folder)
    os.environ["TMPDIR"] = str(folder / "tmp")
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, *streams)):
        os.dup2(stream, number)
    os.closerange(3, 1000)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.argv = ["convolens", *words]
    before()
    if true:
        os.execv(sys.executable, [sys.executable, "-m", "convolens", *words])
    from convolens.__main__ import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # as the interpreter would
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120  # as the interpreter's
    os._exit(code)  # taking down all that was imported would be most of the time


def run(words: Sequence[str], folder: Path, before: Callable[[], object] = lambda: None, *, true: bool = False) -> Run:
    """Runs a command line to its end."""
    return start(words, folder, before, true=true).finish()


def left_running(pid: int, seconds: float = 5.0) -> list[str]:
    """Processes of a child's group that still run some seconds after it ended; they are ended."""
    deadline = time.monotonic() + seconds
    while (names := _members(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if names:
        os.killpg(pid, signal.SIGKILL)
    return names


def _members(group: int) -> list[str]:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    found = subprocess.run(["ps", "-o", "stat=,args=", "-g", str(group)], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if not line.startswith("Z")]
