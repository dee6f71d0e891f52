import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError


@pytest.fixture(scope="module", params=["vgg11", "resnet18"])
def trunk(request):
    return cl.trunk(request.param)


def test_going_on_from_a_tap_gives_what_the_whole_way_gives(trunk):
    torch.manual_seed(0)
    batch = torch.randn(2, 3, 40, 36)
    start, middle, end = trunk.taps[1], trunk.taps[3], trunk.taps[5]
    with torch.no_grad():
        whole = trunk(batch, taps=(start, middle, end))
        resumed = trunk.resume(start, whole[start].clone(), (start, end, middle))
    assert list(resumed) == [start, end, middle]
    for tap in (start, middle, end):
        torch.testing.assert_close(resumed[tap], whole[tap])


def test_a_changed_value_changes_what_lies_behind_it(trunk):
    batch = torch.randn(1, 3, 40, 36)
    start, end = trunk.taps[1], trunk.taps[4]
    with torch.no_grad():
        value = trunk(batch, taps=(start,))[start]
        changed = trunk.resume(start, torch.zeros_like(value), (end,))[end]
        assert not torch.equal(changed, trunk(batch, taps=(end,))[end])


def test_nothing_before_the_tap_can_be_asked_for(trunk):
    first, second = trunk.taps[:2]
    with pytest.raises(ArgumentError, match=f"taps: need some at or after {second}, got {first}"):
        trunk.resume(second, torch.zeros(1, 64, 8, 8), (first,))
