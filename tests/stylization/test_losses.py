import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ShapeError
from convolens.stylization.losses import total_variation


def test_gram_is_the_mean_over_places_of_products_of_features():
    maps = np.random.default_rng(0).normal(size=(5, 7, 6))
    got = cl.gram(maps)
    for a in range(5):
        for b in range(5):
            assert got[a, b] == pytest.approx(
                sum(maps[a, y, x] * maps[b, y, x] for y in range(7) for x in range(6)) / 42
            )


def test_gram_does_not_depend_on_where_things_are_nor_on_how_many_times_they_are_there():
    maps = torch.randn(2, 4, 6, 8)
    shuffled = maps.flatten(2)[:, :, torch.randperm(48)].reshape(2, 4, 8, 6)
    torch.testing.assert_close(cl.gram(shuffled), cl.gram(maps))
    torch.testing.assert_close(cl.gram(maps.repeat(1, 1, 2, 3)), cl.gram(maps))


def test_a_masks_gram_is_that_of_the_places_it_picks():
    maps = torch.randn(4, 6, 8, dtype=torch.float64)
    mask = torch.zeros(6, 8, dtype=torch.float64)
    mask[:, 3:] = 1
    torch.testing.assert_close(cl.gram(maps, mask), cl.gram(maps[:, :, 3:]))


def test_gram_keeps_the_callers_kind_and_can_be_differentiated():
    assert cl.gram(np.ones((2, 3, 3), np.float32)).dtype == np.float32
    assert cl.gram(torch.ones(1, 2, 3, 3)).shape == (1, 2, 2)
    maps = torch.randn(3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cl.gram, maps)


@pytest.mark.bad_input
def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"mask: need the maps' \(4, 4\), got \(4, 5\)"):
        cl.gram(torch.ones(1, 4, 4), torch.ones(4, 5))


def test_total_variation_is_the_mean_square_of_steps_those_of_color_weighted_and_its_gradient_is_theirs():
    picture = torch.rand(1, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    axes = torch.linalg.qr(torch.tensor([[1.0, 1, 0], [1, 0, 1], [1, 0, 0]], dtype=torch.float64))[0]  # light first
    along = torch.einsum("nchw,ca->nahw", picture, axes)
    steps = along.diff(dim=2).square().sum(dim=(0, 2, 3)) + along.diff(dim=3).square().sum(dim=(0, 2, 3))
    counted = steps @ torch.tensor([1.0, 10, 10], dtype=torch.float64)
    (wanted,) = torch.autograd.grad(counted / picture.numel(), picture)
    value, gradient = total_variation(picture.detach(), 10.0)
    assert value == pytest.approx(float(counted.detach()) / 90)
    torch.testing.assert_close(gradient, wanted)
