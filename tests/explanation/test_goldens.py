"""Against pytorch-grad-cam, whose maps `make_goldens.py` wrote down. Where it departs from a paper it is said here."""

from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.explanation.activation import eigencam
from convolens.explanation.targets import linear_target
from convolens.explanation.upsampling import to_input
from convolens.explanation.view import View
from tests.explanation.peer_network import TAPS, TAPS_OF, network, pictures, score

TOLERANCE = 1e-4  # of maps from 0 to 1


@pytest.fixture(scope="module")
def goldens():
    with np.load(Path(__file__).with_name("goldens.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model():
    return cl.wrap_module(network(), tuple(TAPS.values()))


def to_one(values):
    values = values - values.min()
    return values / (1e-7 + values.max())


def as_theirs(grid):
    """Rectified, from 0 to 1, stretched to the picture, and once more from 0 to 1."""
    small = torch.from_numpy(to_one(grid.clip(min=0)).astype(np.float32))[None]
    return to_one(to_input(small, 21, 30)[0].numpy().clip(min=0))


CASES = [
    (method, where)
    for method in ("gradcam", "gradcam++", "hirescam", "layercam", "scorecam", "ablationcam")
    for where in TAPS_OF.get(method, tuple(TAPS))
]


@pytest.mark.parametrize(("method", "where"), CASES)
def test_it_is_what_pytorch_grad_cam_gives(model, goldens, method, where):
    found = cl.explain(model, list(pictures()), target=score, method=method, taps=TAPS[where])
    for ours, theirs in zip(found, goldens[f"{method} {where}"], strict=True):
        assert np.ptp(theirs) > 0.9  # a map, and not one grey
        grid = ours.grids[TAPS[where]]
        if method == "ablationcam" and ours.score < 0:  # there divided by the score, which turns the map round
            grid = -grid
        np.testing.assert_allclose(as_theirs(grid), theirs, atol=TOLERANCE)


@pytest.mark.parametrize("where", TAPS)
def test_eigencam_is_theirs_for_features_that_were_centered_as_they_do(model, goldens, where):
    batch = torch.cat([model.preprocess(picture) for picture in pictures()])
    with torch.no_grad():
        features = model.maps(batch, (TAPS[where],))[TAPS[where]]
        centered = features - features.mean(dim=(2, 3), keepdim=True)
        maps = eigencam(View(model, batch, TAPS[where], centered), linear_target(("", ""), torch.eye(2, 5)))
    for ours, theirs in zip(maps.numpy(), goldens[f"eigencam {where}"], strict=True):
        assert min(np.abs(as_theirs(sign * ours) - theirs).max() for sign in (1, -1)) < TOLERANCE
