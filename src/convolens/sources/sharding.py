"""Work shared by several machines: which files are whose, the same on all of them, without a word between them.

A single file belongs to the share that the hash of its name says (of the path below the source, so that it does not
matter where that is mounted); another file that is added meanwhile changes nothing for it. Shards and tables, which are
few and large, are dealt out in turn in the order of their list, so that shares differ by one at most.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from unicodedata import normalize

from convolens.errors import ArgumentError

MOST = 1_000_000


@dataclass(frozen=True)
class Share:
    """One of several equal shares of the work.

    Attributes:
        number: which, from 1 on.
        count: of how many.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MOST:
            raise ArgumentError(
                f"shard: need a number from 1 to the number of shards, as in 3/16, got {self.number}/{self.count}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def of(cls, given: object) -> Share | None:
        """What was given as a share: one, its text, or None for all.

        Raises:
            ArgumentError: neither, or a number beyond the number of shares.

        >>> Share.of("3/16"), Share.of(None)
        (Share(number=3, count=16), None)
        >>> Share.of("17/16")
        Traceback (most recent call last):
            ...
        convolens.errors.ArgumentError: shard: need a number from 1 to the number of shards, as in 3/16, got 17/16
        """
        if given is None or isinstance(given, cls):
            return given
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", given) if isinstance(given, str) else None
        if found is None:
            raise ArgumentError(f"shard: need a number and how many there are, as in 3/16, got {given!r:.80}")
        return cls(int(found[1]), int(found[2]))

    def takes(self, name: str) -> bool:
        """Whether the file of this name below the source is in this share."""
        plain = normalize("NFC", name.replace("\\", "/"))
        digest = hashlib.blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def takes_at(self, place: int) -> bool:
        """Whether the shard or table at this place of the list is in this share."""
        return place % self.count == self.number - 1
