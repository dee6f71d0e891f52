import copy

import pytest
import torch

from convolens.tasks.stylize.objective import halo, tile_unit
from convolens.tasks.stylize.optimizers import Lbfgs, walk

TAPS = ("conv2_2", "conv1_1", "conv2_1", "conv3_1")


def picture(size, dtype=torch.float32):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(7)).to(dtype)


@pytest.mark.parametrize("mask", [None, True])
def test_the_gradient_of_the_whole_loss_is_that_of_central_differences_in_float64(objective, small_trunk, mask):
    size = (12, 13)
    loss = objective(size, trunk=copy.deepcopy(small_trunk).double(), mask=mask)
    at = picture(size, torch.float64)
    gradient = loss(at).gradient
    step = 1e-6
    for number in range(0, at.numel(), 29):
        moved = [at.clone(), at.clone()]
        moved[0].view(-1)[number] += step
        moved[1].view(-1)[number] -= step
        slope = (loss(moved[0]).loss - loss(moved[1]).loss) / (2 * step)
        assert gradient.view(-1)[number].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("mask", [None, True])
@pytest.mark.parametrize("size", [(150, 171), (96, 200)])
def test_tiled_and_untiled_agree_at_the_start_and_on_the_way(objective, small_trunk, size, mask):
    whole, tiled = objective(size, mask=mask), objective(size, 48, mask=mask)
    assert len(whole.tiles) == 1 and len(tiled.tiles) > 8
    places = [picture(size)]
    places += [taken.picture for at, taken in enumerate(walk(places[0], whole, Lbfgs(10), 8), 1) if at in (3, 8)]
    for place in places:
        one, other = whole(place), tiled(place)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.parts == pytest.approx(one.parts, rel=1e-5)
        assert (other.gradient - one.gradient).abs().max() <= 1e-4 * one.gradient.abs().max()


def test_a_halo_of_one_block_less_is_too_little(objective, small_trunk, monkeypatch):
    """The other way round: the test above would notice a halo that is too small."""
    size = (150, 171)
    monkeypatch.setattr("convolens.tasks.stylize.objective.halo", lambda *_: 0)
    tiled = objective(size, 48)
    assert tiled(picture(size)).loss != pytest.approx(objective(size)(picture(size)).loss, rel=1e-5)


def test_tiles_begin_at_multiples_of_the_stride_and_cover_the_picture_once(objective, small_trunk):
    tiles = objective((150, 171), 48).tiles
    unit, covered = tile_unit(small_trunk, TAPS), torch.zeros(150, 171)
    assert unit == 16 and halo(small_trunk, TAPS) % unit == 0
    for tile in tiles:
        (top, bottom), (left, right) = tile.inner
        assert top % unit == left % unit == 0
        assert tile.outer[0][0] % unit == tile.outer[1][0] % unit == 0
        covered[top:bottom, left:right] += 1
    assert torch.all(covered == 1)


def test_a_term_is_one_where_there_is_nothing_of_what_is_wanted(objective):
    loss = objective((64, 64), tv_weight=0.0)
    zeroed = dict.fromkeys(("content conv2_2", "style conv1_1", "style conv2_1", "style conv3_1"), 1.0)
    sums = loss.sums(picture((64, 64)))
    parts, _ = loss._losses([torch.zeros_like(one) if one.ndim else torch.tensor(loss._energies[0]) for one in sums])
    assert parts == pytest.approx(zeroed, rel=1e-5)
