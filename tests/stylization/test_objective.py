import copy

import pytest
import torch

import convolens as cl
from convolens.stylization.objective import grams_of, maps_of
from convolens.stylization.optimizers import Lbfgs, optimize
from convolens.stylization.tiles import Tiling, halo, tile_unit

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


@pytest.fixture
def exact():
    """Tiles have other sizes, whose layers may run by other methods: the difference turns a ReLU here or there."""
    cl.precision("exact")
    yield
    cl.precision("fast")


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(
    ("tiling", "size", "mask"),
    [
        (Tiling(48), (150, 171), True),
        (Tiling(48), (96, 200), None),
        (Tiling(48, "pool1"), (150, 171), None),
        (Tiling(48, "pool1"), (96, 200), True),
        (Tiling(48, "conv2_1"), (96, 200), True),  # a border that is a style tap as well
        (Tiling(48, "pool2"), (150, 171), True),
        (Tiling(48), (146, 163), True),  # the last tiles are less than a stride of 4: they have no place there
    ],
)
def test_tiled_and_untiled_agree_at_the_start_and_on_the_way(objective, size, mask, tiling):
    whole, tiled = objective(size, mask=mask), objective(size, tiling, mask=mask)
    assert len(whole.feature_loss.tiles) == 1 and len(tiled.feature_loss.tiles) > 8
    assert (tiled.feature_loss.deeper is None) == (tiling.border is None)
    places = [picture(size)]
    places += [
        iterate.picture for at, iterate in enumerate(optimize(places[0], whole, Lbfgs(10), 4), 1) if at in (2, 4)
    ]
    for place in places:
        one, other = whole(place), tiled(place)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.parts == pytest.approx(one.parts, rel=1e-5)
        assert (other.gradient - one.gradient).abs().max() <= 1e-4 * one.gradient.abs().max()


def test_a_halo_of_one_block_less_is_too_little(objective, small_trunk, monkeypatch):
    """The other way round: the test above would notice a halo that is too small."""
    size = (150, 171)
    monkeypatch.setattr("convolens.stylization.tiles.halo", lambda *_: 0)
    tiled = objective(size, Tiling(48))
    assert tiled(picture(size)).loss != pytest.approx(objective(size)(picture(size)).loss, rel=1e-5)


def test_tiles_begin_at_multiples_of_the_stride_and_cover_the_picture_once(objective, small_trunk):
    tiles = objective((150, 171), Tiling(48)).feature_loss.tiles
    unit, covered = tile_unit(small_trunk, TAPS), torch.zeros(150, 171)
    assert unit == 16 and halo(small_trunk, TAPS) % unit == 0
    for tile in tiles:
        (top, bottom), (left, right) = tile.inner
        assert top % unit == left % unit == 0
        assert tile.outer[0][0] % unit == tile.outer[1][0] % unit == 0
        covered[top:bottom, left:right] += 1
    assert torch.all(covered == 1)


def test_a_term_is_one_where_there_is_nothing_of_what_is_wanted(objective):
    found = objective((64, 64)).feature_loss
    names = ("content conv2_2", "style conv1_1", "style conv2_1", "style conv3_1")
    nothing = {name: torch.zeros_like(one) for name, one in found.sums(picture((64, 64))).items()}
    nothing["content conv2_2"] = found.terms[0].target.double().square().sum()  # as far off as all of it
    assert found._losses(nothing)[1] == pytest.approx(dict.fromkeys(names, 1.0), rel=1e-5)


@pytest.mark.parametrize("tiling", [Tiling(48), Tiling(48, "pool1")])
def test_maps_and_gram_matrices_put_together_from_tiles_are_those_of_the_whole(small_trunk, tiling):
    shown = picture((150, 171))
    batch = small_trunk.preprocessing.normalize(shown)
    maps, grams = (find(small_trunk, TAPS, shown, tiling) for find in (maps_of, grams_of))
    for tap, wanted in small_trunk(batch, taps=TAPS).items():
        torch.testing.assert_close(maps[tap], wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(grams[tap], cl.gram(wanted[0]), atol=1e-5, rtol=1e-4)
