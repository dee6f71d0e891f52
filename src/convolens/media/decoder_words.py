"""What the decoder of MP3 writes to the process's stderr: taken from there, as it is its one sign of damage.

libsndfile's decoder (mpg123) goes on behind damage, and says so on the file descriptor 2 alone, in words for its
authors. Whatever else is written there meanwhile, by other threads, is passed on.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_lock = threading.Lock()  # there is one stderr
# Lines of mpg123, and those of them that tell of damage to the sound.
_WORDS = re.compile(
    rb"^(?:\[src/libmpg123/|Note: (?:Illegal|Trying to|[Ss]kipped|Hit end|Junk|Looks like|missing|broken|faulty|Xing)|"
    rb"Warning: (?:Big change|Encountered more|Real sample|Xing stream))[^\n]*\n",
    re.MULTILINE,
)
_DAMAGE = re.compile(rb"^(?:\[src/libmpg123/(?:layer\d|parse|getbits)[^\n]* error: |Note: Illegal)", re.MULTILINE)


class Damage:
    """Whether the decoder told of damage since it was last asked."""

    def __init__(self) -> None:
        self.told = False


@contextmanager
def decoder_words() -> Iterator[Damage]:
    """Within it mpg123 may be at work; what it wrote of damage is known at the end."""
    damage = Damage()
    with _lock, tempfile.TemporaryFile() as words:
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # closed: nobody would hear it
            yield damage
            return
        os.dup2(words.fileno(), _STDERR)
        try:
            yield damage
        finally:
            os.dup2(stderr, _STDERR)
            words.seek(0)
            told = words.read()
            damage.told = bool(_DAMAGE.search(told))
            _pass_on(stderr, _WORDS.sub(b"", told))


def _pass_on(stderr: int, others: bytes) -> None:
    try:
        while others:
            others = others[os.write(stderr, others) :]
    except OSError:  # a terminal that is gone; whoever wrote it would have failed there
        pass
    finally:
        os.close(stderr)
