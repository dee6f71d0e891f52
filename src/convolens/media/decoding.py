"""The one guard around foreign decoders: whatever they raise on a file becomes one typed sentence that names the file.

Pillow, imagecodecs, libsndfile, PyAV and NumPy raise all kinds of exceptions on bytes that they did not expect, and the
operating system has its own. What a decoder cannot do is told apart from what is wrong with the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from convolens.errors import ConvolensError, FileError, FormatError, MemoryRefused, printable

# How decoders say that a file is beyond them, not broken.
_LIMIT = re.compile(r"not support|unsupported|can ?not handle|not implemented|unimplemented|unknown", re.IGNORECASE)


@contextmanager
def decoding(file: object, what: str, *, remedy: str = "") -> Iterator[None]:
    """Within it a decoder is at work on the file.

    Args:
        file: its name, for the message.
        what: what it should hold: "picture", "sound".
        remedy: what helps where the decoder knows no such files.

    Raises:
        FileError: it cannot be opened or read.
        MemoryRefused: it takes more memory than there is, or than the budget.
        FormatError: it is damaged, or of a kind that the decoder does not know.
    """
    try:
        yield
    except (Warning, ConvolensError) as error:  # a note that a program made an error; a sentence of our own
        raise _named(file, error) from error
    except MemoryError as error:
        raise MemoryRefused(f"{file}: need more memory than this machine has to decode it") from error
    except Exception as error:  # decoders of foreign data raise all kinds
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise FileError(f"{file}: cannot be read: {error.strerror}") from error
        raise FormatError(f"{file}: {_reason(error, what, remedy)}") from error


def _named(file: object, error: Exception) -> Exception:
    for kind in (FormatError, MemoryRefused):
        if isinstance(error, kind) and not str(error).startswith(f"{printable(str(file))}: "):
            return kind(f"{file}: {error}")
    return error


def _reason(error: Exception, what: str, remedy: str) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, NotImplementedError) or _LIMIT.search(told):
        return f"a {what} of a kind that is not read here: {told}" + (f"; {remedy}" if remedy else "")
    return f"damaged {what}: {told}"
