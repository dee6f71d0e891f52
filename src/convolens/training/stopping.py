"""Ctrl-C and SIGTERM end a training after the step in hand, with a state to resume from. A second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class StopRequest:
    """Whether the training is to stop, and by which signal."""

    def __init__(self) -> None:
        self.by: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Takes in a signal."""
        if self.by is not None:
            raise KeyboardInterrupt
        self.by = number
        with suppress(OSError):  # not by `print`, which the signal may have interrupted
            os.write(2, b"\nstopping after this step, with all that was learned so far; once more ends at once\n")

    def end(self, sentence: str) -> None:
        """Ends as the signal would have: KeyboardInterrupt, or the exit code that shells report for SIGTERM."""
        if self.by == signal.SIGINT:
            raise KeyboardInterrupt(sentence)
        with suppress(OSError):
            print(sentence, file=sys.stderr)
        raise SystemExit(128 + int(self.by or 0))


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Notes the signals while it lasts. Only the main thread may; elsewhere they do what they did before."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    noticed = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.handle) for number in noticed}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
