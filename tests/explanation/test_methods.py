"""Each method against its paper's formula, computed another way."""

import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.trunks import Preprocessing

TAP = "conv3_1"


@pytest.fixture(scope="module")
def pooled(model):
    """For a pooled linear head the gradient is known without autograd: the class's weight over the number of cells."""
    picture = np.random.default_rng(4).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    with torch.no_grad():
        features = model.trunk(model.preprocess(picture), taps=(TAP,))[TAP][0].double().numpy()
    weights = model.head.linear.weight[1].detach().double().numpy()
    return picture, features, weights, features[0].size


def close(ours, truth):
    np.testing.assert_allclose(ours, truth, rtol=1e-3, atol=1e-4 * np.abs(truth).max())


def grid(model, picture, method):
    return cl.explain(model, picture, target="grass", method=method).grids[TAP]


def test_hirescam_of_a_pooled_head_is_gradcam(model, pooled):
    picture, features, weights, cells = pooled
    close(grid(model, picture, "hirescam"), np.einsum("k,krc->rc", weights / cells, features))
    close(grid(model, picture, "gradcam"), np.einsum("k,krc->rc", weights / cells, features))


def test_layercam_keeps_the_features_whose_weight_is_positive(model, pooled):
    picture, features, weights, cells = pooled
    close(grid(model, picture, "layercam"), np.einsum("k,krc->rc", weights.clip(min=0) / cells, features))


def test_gradcam_plus_plus_weighs_gradients_by_the_papers_alpha(model, pooled):
    picture, features, weights, cells = pooled
    g = weights / cells
    alpha = g**2 / (2 * g**2 + features.sum(axis=(1, 2)) * g**3)
    close(grid(model, picture, "gradcam++"), np.einsum("k,krc->rc", alpha * g.clip(min=0) * cells, features))


def test_ablationcam_of_a_pooled_head_weighs_each_feature_by_what_it_adds(model, pooled):
    picture, features, weights, _ = pooled
    close(grid(model, picture, "ablationcam"), np.einsum("k,krc->rc", weights * features.mean(axis=(1, 2)), features))


def test_eigencam_is_the_projection_on_the_first_right_singular_vector(model, pooled):
    picture, features, _, _ = pooled
    places = features.reshape(len(features), -1).T
    _, _, vectors = np.linalg.svd(places, full_matrices=False)
    projected = (places @ vectors[0]).reshape(features.shape[1:])
    close(grid(model, picture, "eigencam"), projected * np.sign(projected.sum()))


def test_scorecam_weighs_each_feature_by_the_score_of_what_it_lets_through(trunk):
    model = cl.classifier(trunk, classes=("a", "grass"), taps="conv1_1")
    picture = np.random.default_rng(5).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    batch = model.preprocess(picture)
    with torch.no_grad():
        features = model.trunk(batch, taps=("conv1_1",))["conv1_1"][0]  # as large as the picture: nothing to stretch
        scores = []
        for feature in features:
            span = feature.max() - feature.min()
            mask = (feature - feature.min()) / span if span > 0 else torch.zeros_like(feature)
            scores.append(float(model(batch * mask)[0, 1]))
    weights = np.exp(scores) / np.exp(scores).sum()
    ours = cl.explain(model, picture, target="grass", method="scorecam").grids["conv1_1"]
    close(ours, np.einsum("k,krc->rc", weights, features.numpy()))


def test_the_attributions_of_integrated_gradients_add_up_to_what_the_picture_changed(model, picture):
    found = cl.explain(model, picture, target="grass", method="integrated_gradients")
    black = cl.explain(model, np.zeros_like(picture), target="grass")
    change = found.score - black.score
    assert found.grids["input"].sum() == pytest.approx(change, abs=0.02 * abs(change) + 1e-4)


PLAIN = Preprocessing(mean=(0.0,) * 3, deviation=(1.0,) * 3)


class BrightnessOfTheLeft(nn.Module):
    """One class: the mean red of the left half. Another: the right's."""

    def __init__(self):
        super().__init__()
        self.tap = nn.Identity()

    def forward(self, batch):
        red = self.tap(batch)[:, 0]
        half = red.shape[2] // 2
        return torch.stack([red[:, :, :half].mean(dim=(1, 2)), red[:, :, half:].mean(dim=(1, 2))], dim=1)


def test_occlusion_shows_what_covering_a_place_costs():
    model = cl.wrap_module(BrightnessOfTheLeft(), "tap", preprocessing=PLAIN).eval()
    found = cl.explain(model, np.full((32, 64, 3), 255, np.uint8), target=0, method="occlusion")
    # A patch of 4×4 pixels in the left half goes from 1 to 0.5, of 32×32 pixels.
    assert found.heatmap[10, 10] == pytest.approx(0.5 * 16 / 1024, rel=1e-4)
    assert not found.heatmap[:, 36:].any()


def test_guided_backprop_lets_only_positive_gradients_through_every_relu():
    torch.manual_seed(3)
    first, second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)
    network = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = cl.wrap_module(network, "1", preprocessing=PLAIN).eval()
    picture = np.random.default_rng(2).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    found = cl.explain(model, picture, target=2, method="guided_backprop").grids["input"]

    x = picture.astype(np.float64).reshape(-1, 3) / 255
    one, two = (layer.weight.detach().double().numpy()[:, :, 0, 0] for layer in (first, second))
    hidden = x @ one.T + first.bias.detach().numpy()
    out = hidden.clip(min=0) @ two.T + second.bias.detach().numpy()
    upstream = np.zeros_like(out)
    upstream[:, 2] = 1 / 42
    upstream = upstream * (out > 0)
    upstream = (upstream @ two).clip(min=0) * (hidden > 0)
    close(found, np.abs(upstream @ one).max(axis=1).reshape(6, 7))


def test_the_likeliest_classes_are_explained_from_one_pass(model, picture, monkeypatch):
    passes = []
    forward = type(model.trunk).forward

    def counting(self, *arguments, **options):
        passes.append(len(arguments[0]))
        return forward(self, *arguments, **options)

    monkeypatch.setattr(type(model.trunk), "forward", counting)
    several = cl.explain_top(model, [picture, picture[::-1]], 2)
    once = len(passes)
    assert [len(one) for one in several] == [2, 2]
    cl.explain_top(model, [picture, picture[::-1]], 3)
    assert len(passes) - once == once  # a third class costs no further pass
    named = model.predict(picture).labels
    assert [one.label for one in several[0]] == list(named[:2])
    np.testing.assert_allclose(
        several[0][1].heatmap, cl.explain(model, picture, target=named[1]).heatmap, rtol=1e-3, atol=1e-6
    )
    assert [one.label for one in cl.explain_top(model, picture, 9)] == list(named)
