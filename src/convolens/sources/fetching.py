"""Files of stores brought here a few ahead by threads of their own, while what came before is decoded and worked on.

A network answers late, not slowly: sixteen at once bring many times what one after the other would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from convolens.errors import ConvolensError
from convolens.sources.stored import Stored, Unreadable

AT_ONCE = 16
AHEAD_BYTES = 64 << 20  # of what waits to be decoded, together
_PRESUMED = 1 << 20  # bytes of what does not say

Other = TypeVar("Other")


def fetched_ahead(files: Iterable[Stored | Other]) -> Iterator[Stored | Other]:
    """The files in order, each that is far with its bytes in hand, or as `Unreadable` where they could not be had.

    What is no `Stored`, such as a path, or lies near, is handed on as it is.
    """
    waiting: deque[tuple[Stored | Other | Future[Stored], int]] = deque()
    held, pool = 0, None
    try:
        for file in files:
            if not (isinstance(file, Stored) and file.is_far and file.held is None):
                if not waiting:
                    yield file
                    continue
                waiting.append((file, 0))
            else:
                pool = pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetching")
                weight = _PRESUMED if file.size is None else file.size
                waiting.append((pool.submit(_in_hand, file), weight))
                held += weight
            while waiting and (len(waiting) > AT_ONCE or held > AHEAD_BYTES):
                first, weight = waiting.popleft()
                held -= weight
                yield first.result() if isinstance(first, Future) else first
        while waiting:
            first, _ = waiting.popleft()
            yield first.result() if isinstance(first, Future) else first
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _in_hand(file: Stored) -> Stored:
    try:
        data = file.read()
    except (ConvolensError, MemoryError) as error:
        told = str(error)
        return Unreadable(file.where, why=told if file.where in told else f"{file.where}: {told}")
    return replace(file, held=data, size=len(data))
