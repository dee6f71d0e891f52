"""Restarts by `torchrun --max-restarts`: all processes begin the same command again, after one of them ended.

The command may say that the run is new, and the run folder hold a part of it by now. So each launch of `torchrun` that
may restart notes itself in the run's log before anything else is written; a restart that finds its own launch there
resumes, and one that does not treats the folder as the command says: what another launch left there stays protected.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from convolens.media.files import append
from convolens.media.result_folders import LAST, LOG


def note_launch(run: Path, *, resume: bool) -> None:
    """Notes the launch in the run's log; what an earlier run left, where that is not to be resumed, goes before."""
    if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) == 0 or _noted(run):
        return
    if not resume:
        (run / LAST).unlink(missing_ok=True)
    time = datetime.now().astimezone().isoformat(timespec="seconds")
    append(run / LOG, json.dumps({"time": time, "event": "launched", "launch": _launch()}) + "\n")


def was_restarted(run: Path) -> bool:
    """Whether an earlier attempt of this launch began the run that is in the folder."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0 and _noted(run)


def _noted(run: Path) -> bool:
    try:
        lines = (run / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    launched = [line for line in lines if '"launched"' in line]
    with suppress(ValueError):
        return bool(launched) and json.loads(launched[-1]).get("launch") == _launch()
    return False


def _launch() -> str:
    """What this launch has of its own: its id, where it was given one, or else the process that is `torchrun`."""
    known = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if known not in ("", "none"):
        return known
    agent = os.getppid()
    with suppress(OSError, IndexError):  # elsewhere than on Linux the number alone
        return f"{agent} since {Path(f'/proc/{agent}/stat').read_text().rpartition(')')[2].split()[19]}"
    return str(agent)
