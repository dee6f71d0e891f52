"""Positive features alone, mirrored and noisy copies."""

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, MethodError
from convolens.explanation import METHODS
from convolens.explanation.smoothing import NOISE, Smoothing

WEIGHING = sorted(name for name, method in METHODS.items() if method.weighs)


def test_positive_counts_the_features_whose_weight_is_positive(model, picture):
    found = cl.explain(model, picture, target="grass", relu_weights=True)
    maps = model.explained().maps(model.preprocess(picture), ("conv3_1",))["conv3_1"][0].detach()
    weights = model.explained().class_weights()["conv3_1"][1].detach()
    assert (weights > 0).any() and (weights < 0).any()
    expected = torch.einsum("k,krc->rc", weights[weights > 0], maps[weights > 0])
    np.testing.assert_allclose(found.grids["conv3_1"], expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("method", WEIGHING)
def test_positive_and_negative_features_together_make_the_map(model, picture, method):
    whole, positive = (cl.explain(model, picture, target=0, method=method, relu_weights=only) for only in (False, True))
    for tap, grid in positive.grids.items():
        assert (grid >= whole.grids[tap] - 1e-6).all()  # features are not negative, after their ReLU


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(WEIGHING)))
def test_methods_that_do_not_weigh_features_refuse_positive(model, picture, method):
    with pytest.raises(MethodError, match=rf"method {method}: gives a feature no single weight .* take cam, gradcam"):
        cl.explain(model, picture, method=method, relu_weights=True)


def test_a_mirrored_look_makes_the_map_of_a_symmetric_picture_symmetric(model, picture):
    picture = np.hstack([picture, picture[:, ::-1]])
    once = cl.explain(model, picture, target=0).grids["conv3_1"]
    both = cl.explain(model, picture, target=0, flip=True).grids["conv3_1"]
    assert np.abs(once - once[:, ::-1]).max() > 1e-3 * np.abs(once).max()
    np.testing.assert_allclose(both, both[:, ::-1], atol=1e-5 * np.abs(both).max())
    np.testing.assert_allclose(both, (once + once[:, ::-1]) / 2, atol=1e-5 * np.abs(both).max())


def test_noise_gives_the_mean_over_copies_with_seeded_noise(model, picture):
    options = {"target": 0, "method": "gradcam"}
    found = cl.explain(model, picture, noise_samples=3, seed=5, **options)
    batch = model.preprocess(picture)
    copies = [copy.batch for copy in Smoothing(noise_samples=3, seed=5).copies(batch)]
    deviation = torch.stack([copy - batch for copy in copies]).std() / (batch.max() - batch.min())
    assert deviation == pytest.approx(NOISE, rel=0.05)
    weights = model.explained().class_weights()["conv3_1"][0].detach()
    maps = [
        torch.einsum("k,krc->rc", weights, model.explained().maps(one, ("conv3_1",))["conv3_1"][0].detach())
        for one in copies
    ]
    expected = torch.stack(maps).mean(dim=0) / maps[0].numel()
    np.testing.assert_allclose(found.grids["conv3_1"], expected.numpy(), rtol=1e-3, atol=1e-6)
    other = cl.explain(model, picture, noise_samples=3, seed=6, **options)
    assert not np.array_equal(other.grids["conv3_1"], found.grids["conv3_1"])
    plain = cl.explain(model, picture, **options)
    assert (found.score, found.label) == (plain.score, plain.label)  # of the picture itself


def test_a_picture_gets_the_same_noise_in_any_batch(model, picture):
    alone = cl.explain(model, picture, target=0, noise_samples=2)
    _, together = cl.explain(model, [picture[::-1].copy(), picture], target=0, noise_samples=2)
    np.testing.assert_allclose(together.heatmap, alone.heatmap, rtol=1e-3, atol=1e-5)


def test_fewer_than_no_copies_are_refused(model, picture):
    with pytest.raises(ArgumentError, match="noise_samples: need a whole number of at least 0, got -1"):
        cl.explain(model, picture, noise_samples=-1)


def test_a_fused_model_is_explained_where_its_head_looks(model, picture):
    fused = cl.fuse(model)
    for method in ("cam", "gradcam", "scorecam"):
        expected, found = (cl.explain(one, picture, target=1, method=method).heatmap for one in (model, fused))
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    with pytest.raises(MethodError, match="method: needs gradients, which a fused model gives only behind its trunk"):
        cl.explain(fused, picture, method="gradcam", taps="conv2_2")
    with pytest.raises(MethodError, match="explain the model itself, or take cam or scorecam"):
        cl.explain(fused, picture, method="integrated_gradients")
