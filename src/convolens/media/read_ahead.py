"""Files read a few ahead by threads, while what came before them is worked on. Decoding leaves the interpreter free."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from convolens.memory import fits
from convolens.settings import threads

READ_AHEAD = 4  # files: large photos take 36 MB each

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(
    read: Callable[[Item], Found],
    items: Iterable[Item],
    *,
    ahead: int = READ_AHEAD,
    weigh: Callable[[Item], float] = lambda item: 0.0,
) -> Iterator[tuple[Item, Found]]:
    """Each item with what `read` makes of it, in order. What `read` raises is raised here.

    Args:
        read: called from several threads.
        items: taken as they are needed.
        ahead: how many may wait for those before them.
        weigh: bytes that reading an item takes; together they stay within the budget of memory, though one alone, which
            `read` itself may refuse, does not.

    >>> list(read_ahead(len, ["a", "bcd"]))
    [('a', 1), ('bcd', 3)]
    """
    with ThreadPoolExecutor(min(threads(), ahead)) as pool:
        waiting: deque[tuple[Item, float, Future[Found]]] = deque()
        try:
            for item in items:
                weight = weigh(item)
                while waiting and not fits(weight + sum(each for _, each, _ in waiting)):
                    first, _, future = waiting.popleft()
                    yield first, future.result()
                waiting.append((item, weight, pool.submit(copy_context().run, read, item)))
                if len(waiting) > ahead:
                    first, _, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, _, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
