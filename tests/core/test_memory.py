import time

import numpy as np
import pytest

from convolens import _core, arrays
from convolens.arrays import empty
from tests.core.fresh import run
from tests.memory import resident

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def _nothing_kept_before():
    _core.set_pool_limit(0)
    _core.set_pool_limit(512 * MEGABYTE)


def address(array):
    return array.__array_interface__["data"][0]


def test_a_large_result_takes_the_memory_of_one_let_go():
    first = empty((3, MEGABYTE), np.float32)
    where = address(first)
    del first
    assert _core.pooled_bytes() == 12 * MEGABYTE
    assert address(empty((1, 3 * MEGABYTE), np.float32)) == where


def test_memory_in_use_is_never_lent_twice_and_a_view_keeps_it_in_use():
    first = empty((4, MEGABYTE), np.uint8)
    first[:] = 7
    view = first[1:2]
    del first
    second = empty((4, MEGABYTE), np.uint8)
    second[:] = 9
    assert address(second) != address(view) - MEGABYTE
    assert (view == 7).all()


def test_no_more_is_kept_than_the_limit_and_the_oldest_goes_first():
    _core.set_pool_limit(10 * MEGABYTE)
    oldest, newest = empty((6, MEGABYTE), np.uint8), empty((4, MEGABYTE), np.uint8)
    where = address(newest)
    del oldest
    del newest
    assert _core.pooled_bytes() == 10 * MEGABYTE
    third = empty((2, MEGABYTE), np.uint8)
    del third
    assert _core.pooled_bytes() == 6 * MEGABYTE
    assert address(empty((4, MEGABYTE), np.uint8)) == where


def test_what_lay_idle_for_three_seconds_is_the_systems_again_when_the_next_is_taken():
    idle, used = empty((6, MEGABYTE), np.uint8), empty((4, MEGABYTE), np.uint8)
    del idle
    time.sleep(1.6)
    del used
    time.sleep(1.6)
    again = empty((4, MEGABYTE), np.uint8)
    assert _core.pooled_bytes() == 0
    del again
    assert _core.pooled_bytes() == 4 * MEGABYTE


def test_a_much_larger_block_is_not_wasted_on_a_small_result():
    large = empty((64, MEGABYTE), np.uint8)
    where = address(large)
    del large
    assert address(empty((4, MEGABYTE), np.uint8)) != where


def test_small_arrays_are_plain_ones():
    assert empty((3, 2), np.int16).base is None


def test_less_is_kept_ready_for_a_while_and_none_once_it_is_let_go():
    arrays.empty((12 * MEGABYTE,), np.uint8)
    with arrays.keeping(4 * MEGABYTE):
        assert _core.pooled_bytes() == 0
        arrays.empty((12 * MEGABYTE,), np.uint8)
        assert _core.pooled_bytes() == 0
    arrays.empty((12 * MEGABYTE,), np.uint8)
    assert _core.pooled_bytes() == 12 * MEGABYTE
    arrays.release_pool()
    assert _core.pooled_bytes() == 0


def test_memory_that_is_let_go_is_the_systems_again():
    before = resident()
    held = arrays.empty((200 * MEGABYTE,), np.uint8)
    held[:] = 1
    assert resident() > before + 190 * MEGABYTE
    del held
    arrays.release_pool()
    assert resident() < before + 10 * MEGABYTE


# In a process of its own, as what others still hold counts as lent.
A_STEP = """
import time
import numpy as np
from convolens import _core
from convolens.arrays import empty

MEGABYTE = 1 << 20
_core.set_pool_limit(8 * MEGABYTE)
maps = [empty((10, MEGABYTE), np.uint8) for _ in range(4)]
_core.expect_as_much_again()
maps.append(empty((10, MEGABYTE), np.uint8))
maps.clear()
print(_core.pooled_bytes() // MEGABYTE)
other = empty((30, MEGABYTE), np.uint8)  # fits none, and makes 80 of 62.5: the two oldest go
print(_core.pooled_bytes() // MEGABYTE)
del other
print(_core.pooled_bytes() // MEGABYTE)
time.sleep(3.1)
empty((2, MEGABYTE), np.uint8)
print(_core.pooled_bytes() // MEGABYTE)
"""


def test_what_a_step_held_at_once_is_kept_for_the_next_and_a_quarter_more():
    done = run(A_STEP)
    assert done.stdout.split() == ["50", "30", "60", "2"], done.stderr


def test_blocks_begin_apart_from_one_another_within_their_huge_pages():
    blocks = [empty((5 * MEGABYTE // 2,), np.uint8) for _ in range(4)]
    starts = {address(one) % (2 * MEGABYTE) for one in blocks}
    assert len(starts) == 4
    assert all(start % 64 == 0 for start in starts)
    for number, one in enumerate(blocks):
        one[:] = number
    assert all((one == number).all() for number, one in enumerate(blocks))
