"""A store that answers badly is asked again, with growing waits; then there is one sentence.

What another try cannot change (nothing there, not allowed, no credentials) is said at once. All else that a file system
of fsspec raises is taken for a passing fault: 503, a timeout, a connection that broke, fewer bytes than there are.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from convolens.errors import ConvolensError, FileError, MemoryRefused
from convolens.sources.addresses import shown_address

Found = TypeVar("Found")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between tries, each drawn from half of it to all of it
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound")
_WHOSE = "credentials are the store's own: its environment variables, its files, the machine's role"
_ASK_AGAIN = (408, 425, 429)  # of the answers that say "your mistake", those that may change


class ShortRead(Exception):  # noqa: N818 - a fault that passes, not shown to users under this name
    """Fewer bytes came than were promised."""


def patiently(address: str, need: str, work: Callable[[], Found]) -> Found:
    """What `work` gives, tried again where the store's fault may pass.

    Args:
        address: what it works on, for the message.
        need: what is needed of it: "a picture", "to be written to".
        work: called once or more; without effect where it raises.

    Raises:
        FileError: it cannot be had, with the store's reason.
        MemoryRefused: there is not enough memory for it.
    """
    name, began = shown_address(address), time.monotonic()
    for tries, wait in enumerate((*WAITS, None), start=1):
        try:
            return work()
        except ConvolensError:
            raise
        except MemoryError as error:
            raise MemoryRefused(f"{name}: need more memory than this machine has") from error
        except Exception as error:  # each file system raises its own kinds
            if sentence := _for_good(error):
                raise FileError(f"{name}: need {need}, {sentence}") from error
            if wait is None:
                gone = time.monotonic() - began
                raise FileError(
                    f"{name}: need {need}, got no whole answer from the store in {tries} tries and {gone:.0f} seconds: "
                    f"{_told(error)}"
                ) from error
        time.sleep(wait * random.uniform(0.5, 1.0))  # so that many machines do not come back at one moment
    raise AssertionError


def _for_good(error: Exception) -> str:
    """In words, why trying again is no use; nothing where it may be."""
    if type(error).__name__ in _NO_CREDENTIALS:
        return f"found no credentials for the store; {_WHOSE}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        told = _told(error)
        return f"found nothing there: {told}" if "bucket" in told.lower() else "found nothing there"
    if isinstance(error, IsADirectoryError):
        return "got a folder"
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return f"access is denied: {_told(error)}; {_WHOSE}"
    status = _status(error)
    if 400 <= status < 500 and status not in _ASK_AGAIN:
        return f"the store refuses: {_told(error)}"
    if isinstance(error, ValueError | TypeError | NotImplementedError | AttributeError | ImportError):
        return f"cannot be read: {_told(error)}"
    return ""


def _status(error: Exception) -> int:
    """The number of an HTTP answer, where the error is of one."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    else:
        found = getattr(error, "status", None) or getattr(error, "code", None) or 0
    return found if isinstance(found, int) else 0


def _told(error: Exception) -> str:
    """What an error says, in one line; of the file system's own, without its number."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(os.fsdecode(told).split())[:300] or type(error).__name__
