"""Ctrl-C and SIGTERM end work that has something to keep after the step in hand. A second ends it at once.

An exception at any moment whatever, which is what Python makes of Ctrl-C, may be lost in a destructor or a callback,
come out of a library as another error, or interrupt what is just being kept.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class StopRequest:
    """Whether the work is to stop, and by which signal.

    Args:
        kept: what the work will have kept when it ends, in words.
    """

    def __init__(self, kept: str) -> None:
        self.by: int | None = None
        self.kept = kept
        self.before: dict[int, Any] = {}  # how each signal was handled

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Takes in a signal; a second does what it did before this work."""
        if self.by is None:
            self.by = number
            with suppress(OSError):  # not by `print`, which the signal may have interrupted
                os.write(2, f"\nstopping after this step, with {self.kept}; once more ends at once\n".encode())
        elif callable(before := self.before[number]):
            before(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def end(self, sentence: str) -> None:
        """Ends as the signal would have: KeyboardInterrupt, or the exit code that shells report for SIGTERM."""
        if self.by == signal.SIGINT:
            raise KeyboardInterrupt(sentence)
        with suppress(OSError):
            print(sentence, file=sys.stderr)
        raise SystemExit(128 + int(self.by or 0))


@contextmanager
def stop_requests(kept: str) -> Iterator[StopRequest]:
    """Notes the signals while it lasts. Only the main thread may; elsewhere they do what they did before.

    Args:
        kept: what the work will have kept when it ends: "all that was learned so far".
    """
    request = StopRequest(kept)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    noticed = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    request.before = {number: signal.getsignal(number) for number in noticed}
    for number in noticed:
        signal.signal(number, request.handle)
    try:
        yield request
    finally:
        for one in noticed:
            before = request.before[one]
            signal.signal(one, before if before is not None else signal.SIG_DFL)
