"""What became of a job: its exit code and what it said, as a state and a sentence."""

from __future__ import annotations

import signal

INTERRUPTED = (130, -signal.SIGINT, 143, -signal.SIGTERM)  # exit codes of what was told to stop
REFUSED = 2  # of what the user can mend
SENT = {
    "SIGKILL": ", which the system sends when memory runs out",
    "SIGBUS": ", which the system sends when a file in use is written over or cut short",
}
FOUND, FINDING = 1, ("doctor", "labels")  # the exit code of those that found something, and their kinds


def outcome(kind: str, code: int | None, said: str, *, of_studio: bool) -> tuple[str, str]:
    """The state that a job ended in, and why.

    Args:
        kind: of the job.
        code: its exit code; None where its process is gone and left none.
        said: what it said.
        of_studio: whether the studio was being ended.
    """
    if code is None:
        return "cut", "its process is gone, without a word: killed, or the machine went down"
    if code == 0 or (code == FOUND and kind in FINDING):
        return "done", ""
    early = code == 1 and said.rstrip().endswith("KeyboardInterrupt")  # Python was still beginning
    if code in INTERRUPTED or early:
        return "stopped", "as the studio was ended" if of_studio else "as you asked"
    return "failed", reason(said, code)


def reason(said: str, code: int) -> str:
    """Why a job failed: the sentence of its error, or the last line of a crash.

    >>> reason("error: a: need b, got c", 2)
    'a: need b, got c'
    """
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if code == REFUSED and errors:
        return errors[-1]
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        return f"ended by {name}{SENT.get(name, '')}"
    return f"crashed (exit code {code}): {lines[-1] if lines else 'it said nothing'}"
