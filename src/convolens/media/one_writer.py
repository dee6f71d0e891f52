"""One writer of an output at a time: who comes second is told who was first, and nothing of the two is mixed.

Beside a file, or in a folder, lie `….in-use`, whose lock ends with its process, however that ends, and `….in-use-by`,
which says who it is. Both go when the work is done; what a killed process left of them hinders nobody.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from convolens.errors import FileError
from convolens.media.drafts import drop, gone_at_the_end
from convolens.media.files import AnyPath


@contextmanager
def only_writer(output: AnyPath) -> Iterator[None]:
    """Meanwhile nobody else who asks for it writes into a folder, or to a file.

    Args:
        output: a folder that is there, or a file in one.

    Raises:
        FileError: somebody else does; or nothing can be written there.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, only_writer(folder), only_writer(folder):
    ...     pass
    Traceback (most recent call last):
        ...
    convolens.errors.FileError: ...: is being written to by process ... since ...; wait for it or give another output
    """
    from filelock import FileLock, Timeout  # only here: commands that write one file or none do without

    target = Path(output)
    lock = target / ".in-use" if target.is_dir() else target.with_name(f".{target.name}.in-use")
    if not lock.parent.is_dir():
        raise FileError(f"{target}: need an existing folder to write into, found none; create {lock.parent} first")
    holder = lock.with_name(f"{lock.name}-by")
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(lock, timeout=0))
            stack.callback(_drop, lock)  # while it is held: whoever then gets a lock that has no name tries again
            gone_at_the_end(lock)
            gone_at_the_end(holder)
            stack.callback(_drop, holder)
            holder.write_text(_who(), encoding="utf-8", errors="replace")
        except Timeout:
            raise FileError(
                f"{target}: is being written to by {_read(holder)}; wait for it or give another output"
            ) from None
        except OSError as error:
            raise FileError(f"{target}: cannot be written to: {error.strerror or error}") from error
        yield


def _drop(path: Path) -> None:
    try:
        drop(path)
    except PermissionError:  # Windows removes no file that is open; this one is used again
        return


def _who() -> str:
    program = Path(sys.argv[0]).stem
    command = " ".join(["convolens", *sys.argv[1:2]]) if program in ("convolens", "__main__") else program or "Python"
    since = datetime.now().strftime("%H:%M on %d %B")
    return f"process {os.getpid()} on {socket.gethostname()} ({command}) since {since}"


def _read(holder: Path) -> str:
    """Who holds the lock; right after it was taken that is not yet written down."""
    try:
        return holder.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
