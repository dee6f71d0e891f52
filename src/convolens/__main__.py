"""The `convolens` command, also as `python -m convolens`."""

from __future__ import annotations

import os
import signal
from typing import Any


def main() -> None:
    """Loads and runs the command line; a Ctrl-C while it is still loading is no mistake of ours either."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not as nohup and a shell's `&` set it
        signal.signal(signal.SIGINT, _interrupted)
    from convolens.cli import main as run

    run()


def _interrupted(number: int, frame: Any) -> None:
    """Ends at once: an exception would come out of half-loaded libraries as errors of theirs."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
