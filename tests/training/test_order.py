"""The order of an epoch: every picture once, whatever lies in which shard, and far from the order of storage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from convolens.training import order
from convolens.training.loader import parts_of_epoch
from convolens.training.order import rank_correlation, shuffled

COUNTS = st.lists(st.integers(0, 300), min_size=1, max_size=20).filter(sum)


@given(COUNTS, st.integers(0, 5))
def test_every_picture_comes_once(counts, epoch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "BUFFER", 100)
        patch.setattr(order, "RUN", 16)
        found = shuffled(sum(counts), np.random.default_rng(epoch), counts)
    assert sorted(found) == list(range(sum(counts)))


def test_the_order_is_a_function_of_seed_epoch_and_shards():
    def parts(seed, epoch, shards):
        return parts_of_epoch(10_000, 16, seed, epoch, shards=shards)

    shards = [1000] * 10
    assert parts(0, 0, shards) == parts(0, 0, shards)
    different = [
        parts(0, 0, shards),
        parts(0, 1, shards),
        parts(1, 0, shards),
        parts(0, 0, [5000] * 2),
        parts(0, 0, None),
    ]
    assert all(one != other for at, one in enumerate(different) for other in different[:at])


@pytest.mark.parametrize("counts", [[1000] * 20, [8193], [2500, 2500]])
def test_the_order_has_little_to_do_with_that_of_storage(counts):
    for epoch in range(20):
        found = shuffled(sum(counts), np.random.default_rng([0, epoch]), counts)
        assert abs(rank_correlation(found)) < 0.05


def test_the_correlation_is_spearmans():
    found = np.random.default_rng(0).permutation(50)
    assert rank_correlation(found) == pytest.approx(spearmanr(found, np.arange(50)).statistic)


def test_what_is_read_at_one_time_lies_in_few_pieces():
    counts = [1000] * 40
    found = shuffled(40_000, np.random.default_rng(0), counts)
    for first in range(0, 40_000 - 4000, 4000):
        assert len(np.unique(found[first : first + 2000] // 64)) < 200  # of 625; runs are not quite 64 long
