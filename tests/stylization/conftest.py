import pytest
import torch

import convolens as cl
from convolens.stylization.losses import ContentTerm, StyleTerm
from convolens.stylization.objective import Objective, grams_of, maps_of
from convolens.stylization.tiles import WHOLE
from tests.one_thread import one_thread  # noqa: F401

CONTENT, STYLES = "conv2_2", ("conv1_1", "conv2_1", "conv3_1")


@pytest.fixture(scope="module")
def small_trunk():
    """VGG13 with random weights: quick, and everything about restyling but its looks is there."""
    return cl.trunk("vgg13").requires_grad_(False)


@pytest.fixture(scope="module")
def objective(small_trunk):
    def make(size, tiling=WHOLE, *, trunk=small_trunk, mask=None, tv_weight=2.0):
        generator = torch.Generator().manual_seed(3)
        dtype = next(trunk.parameters()).dtype
        content, style = (torch.rand(1, 3, *size, generator=generator).to(dtype) for _ in range(2))
        wanted = maps_of(trunk, (CONTENT,), content)[CONTENT]
        grams = grams_of(trunk, STYLES, style)
        masks = {tap: mask and torch.rand(trunk.map_size(tap, *size), generator=generator).to(dtype) for tap in STYLES}
        styles = [StyleTerm(tap, 0, 3.0, grams[tap], masks[tap]) for tap in STYLES]
        return Objective(trunk, [ContentTerm(CONTENT, 1.0, wanted), *styles], tv_weight, size, tiling)

    return make
