"""The process around one job: `python -m convolens.studio.jobs.worker FOLDER ARGUMENT…` runs `convolens ARGUMENT…`.

It lives on where the studio is killed, so that a studio that is started again finds the job running, or how it ended:
FOLDER/alive is locked as long as this process lives, however it ends; FOLDER/pid is whom to tell to stop; FOLDER/said
is what the job said, and FOLDER/ended its exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ALIVE, PID, SAID, ENDED = "alive", "pid", "said", "ended"


def main() -> None:
    """Runs the job, and notes how it ended."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    with FileLock(folder / ALIVE):
        for number in (signal.SIGINT, signal.SIGTERM):  # they are the job's, which is told by its own number
            signal.signal(number, signal.SIG_IGN)
        with (folder / SAID).open("ab") as said:
            job = subprocess.Popen(
                [sys.executable, "-m", "convolens", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=_listening if os.name == "posix" else None,
            )
            (folder / PID).write_text(str(job.pid))
            code = job.wait()
        _note(folder / ENDED, str(code))


def _listening() -> None:
    """A child takes over what is ignored, and the command line heeds that (nohup)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _note(target: Path, text: str) -> None:
    draft = target.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(target)


if __name__ == "__main__":
    main()
