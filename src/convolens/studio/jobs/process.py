"""The process of a job: begun, asked whether it lives, and told to stop, all by the files in the job's folder.

`worker.py` is what runs; whoever asks need not be the studio that began it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from convolens.studio.jobs.worker import ALIVE, ENDED, PID, SAID


def begin(folder: Path, arguments: Sequence[str], working: Path) -> None:
    """Runs `convolens ARGUMENT…`, and returns once it can be asked about.

    Args:
        folder: where what is said of it is kept; what an earlier process left there goes.
        arguments: of the command line.
        working: the folder that it runs in.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    worker = [sys.executable, "-m", "convolens.studio.jobs.worker", str(folder), *arguments]
    with (folder / SAID).open("ab") as said:
        process = subprocess.Popen(
            worker, cwd=working, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=said,
        )  # fmt: skip
    while process.poll() is None and not (folder / PID).exists():  # from then on its lock says whether it lives
        time.sleep(0.01)
    threading.Thread(target=process.wait, daemon=True).start()  # its end is taken note of, or it stays as a zombie


def is_alive(folder: Path) -> bool:
    """Whether the process around a job lives: it holds a lock as long."""
    if not (folder / ALIVE).exists():
        return False
    try:
        with FileLock(folder / ALIVE, timeout=0):
            return False
    except Timeout:
        return True


def tell_to_stop(folder: Path) -> None:
    """Has it end as Ctrl-C does; one that is over is left alone."""
    if not is_alive(folder):
        return  # its number may be another process's by now
    with suppress(OSError, ValueError):
        os.kill(int((folder / PID).read_text()), signal.SIGINT)


def exit_code(folder: Path) -> int | None:
    """How it ended; None where nothing says so."""
    try:
        return int((folder / ENDED).read_text())
    except (OSError, ValueError):
        return None
