"""A build that checks extents (`make sanitize`) stops a kernel at the first number outside its arrays."""

from __future__ import annotations

import numpy as np
import pytest

from convolens import _core
from tests.core.definition import restoring_threads
from tests.core.test_layers import address, numbers, pictures
from tests.instruction_sets import each_instruction_set, using

pytestmark = pytest.mark.skipif(
    not _core.checks_extents(), reason="the core was built without -DCONVOLENS_CHECK_EXTENTS=ON"
)


CHANNELS = 40  # two tasks


def pool_gradient(cell, gradient):
    """The gradient of one maximum a channel, said to have been at `cell`."""
    g, argmax = numbers(1, 1, 1, CHANNELS), np.full((1, 1, 1, CHANNELS), cell)
    _core.pool_gradient(pictures(g), address(argmax), 0, 0, pictures(gradient))


@each_instruction_set
@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_written_beside_the_picture_even_in_the_same_block_of_memory(instruction_set, threads):
    whole = np.zeros((1, 3, 3, CHANNELS), np.float32)
    picture = whole[:, :2]
    with restoring_threads(), using(instruction_set):
        _core.set_threads(threads)
        pool_gradient(5, picture)
        with pytest.raises(IndexError, match="core: need a store inside the arrays, got 4 bytes outside"):
            pool_gradient(6, picture)
    assert not whole[:, 2].any()
