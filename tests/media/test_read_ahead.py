"""Files are read by threads before they are asked for, in order, and not many of them."""

import threading

import pytest

from convolens.media import read_ahead as module
from convolens.media.read_ahead import READ_AHEAD, read_ahead


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(module, "threads", lambda: 2)


def test_the_next_is_read_while_the_first_is_not_done():
    begun = threading.Event()

    def read(item):
        return begun.wait(20) if item == 0 else begun.set()

    assert list(read_ahead(read, range(2))) == [(0, True), (1, None)]


def test_the_order_stays_whoever_is_done_first():
    later = threading.Event()

    def read(item):
        if item == 0:
            later.wait(20)
        if item == 1:
            later.set()
        return -item

    assert list(read_ahead(read, range(30))) == [(item, -item) for item in range(30)]


def test_items_are_taken_as_they_are_needed():
    taken = []
    ahead = read_ahead(lambda item: item, (taken.append(item) or item for item in range(100)))
    next(ahead)
    assert len(taken) == READ_AHEAD + 1
    ahead.close()
    assert len(taken) == READ_AHEAD + 1


def test_what_reading_raises_is_raised_in_its_turn():
    found = read_ahead(lambda item: 1 // item, [2, 1, 0, 3])
    assert [next(found), next(found)] == [(2, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_what_is_read_at_once_stays_within_the_budget(monkeypatch):
    monkeypatch.setattr(module, "fits", lambda size: size <= 10)
    held, most = [], []

    def read(item):
        held.append(item)
        most.append(sum(held))
        return item

    for _, found in read_ahead(read, [4, 4, 4, 20, 1, 1, 9, 2], weigh=lambda item: item):
        held.remove(found)
    assert max(size for size in most if size != 20) <= 10 and 20 in most
