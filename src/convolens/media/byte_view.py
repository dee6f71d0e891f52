"""A file as a decoder is to see it: a part of it, with some bytes other than they are, or without an end.

No copy is made; memory and time are those of reading the file itself.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import BinaryIO

_TAG = 128  # bytes of an ID3v1 tag, which decoders look for at the end


class ByteView(io.RawIOBase):
    """A window on an open file, as a file that is open for reading.

    Args:
        file: what is looked at; closed with the view.
        begin: the offset of the view's first byte.
        end: that behind its last; None is the file's end.
        patches: other bytes for some places of the view.
        length: what a decoder is told that asks for the length, where that is more than there is.
    """

    def __init__(
        self, file: BinaryIO, *, begin: int = 0, end: int | None = None, patches: Mapping[int, bytes] | None = None,
        length: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._file, self._begin, self._at, self._patches = file, begin, 0, dict(patches or {})
        self.held = max((os.fstat(file.fileno()).st_size if end is None else end) - begin, 0)
        self._length = self.held if length is None else length
        self.reached = 0  # how far it was read

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes there; the end is where the view says that it is."""
        self._at = max({os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence] + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The next bytes; past what the file holds, zeros up to the length that is told, but for one that follows."""
        wanted = memoryview(buffer).cast("B")
        if self._at >= self.held:
            return self._beyond(wanted)
        self._file.seek(self._begin + self._at)
        count: int = self._file.readinto(wanted[: self.held - self._at])  # type: ignore[attr-defined]
        for place, other in self._patches.items():
            for index, byte in enumerate(other):
                if 0 <= place + index - self._at < count:
                    wanted[place + index - self._at] = byte
        self._at += count
        self.reached = max(self.reached, self._at)
        return count

    def _beyond(self, wanted: memoryview) -> int:
        """A look at the tags that may stand at a told end finds none; reading on from the held end finds nothing."""
        if not max(self.held, self._length - _TAG) <= self._at < self._length:
            return 0
        count = min(len(wanted), self._length - self._at)
        wanted[:count] = bytes(count)
        self._at += count
        return count

    def close(self) -> None:
        """Closes the file too."""
        self._file.close()
        super().close()
