from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError
from convolens.explanation import (
    METHODS,
    box_overlap,
    deletion,
    drop_and_increase,
    insertion,
    points_at,
    randomized,
    road,
    similarity,
)
from convolens.explanation.imputation import NOISE, impute
from convolens.trunks import Preprocessing
from tests.explanation.peer_network import TAPS, network, pictures


class Red(nn.Module):
    """Class `red` scores the red pixels' share, `other` nothing."""

    def __init__(self):
        super().__init__()
        self.color = nn.Conv2d(3, 1, 1, bias=False)
        with torch.no_grad():
            self.color.weight.copy_(torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1))
        self.relu = nn.ReLU()

    def forward(self, batch):
        red = 30 * self.relu(self.color(batch)).mean(dim=(1, 2, 3))
        return torch.stack([red - 1, torch.zeros_like(red)], dim=1)


PLAIN = Preprocessing(mean=(0.0,) * 3, deviation=(1.0,) * 3)


@pytest.fixture(scope="module")
def model():
    return cl.wrap_module(Red(), "relu", class_names=("red", "other"), preprocessing=PLAIN).eval()


@pytest.fixture(scope="module")
def explained(model):
    picture = np.full((20, 30, 3), 90, np.uint8)
    picture[4:10, 12:22] = 255, 0, 0  # a tenth of the pixels
    return cl.explain(model, picture, target="red", method="hirescam")


def test_deleting_what_the_map_points_at_takes_the_class_away_at_once(model, explained):
    curve = deletion(model, explained, steps=10)
    assert curve.fractions == pytest.approx(np.linspace(0, 1, 11))
    there = 1 / (1 + np.exp(-(30 * 0.1 - 1)))
    gone = 1 / (1 + np.exp(1))
    assert curve.probabilities == pytest.approx([there] + [gone] * 10, rel=1e-5)
    assert curve.area == pytest.approx(gone + 0.5 * 0.1 * (there - gone), rel=1e-5)


def test_a_map_that_points_elsewhere_loses_the_class_late(model, explained):
    wrong = replace(explained, heatmap=-explained.heatmap)
    assert deletion(model, wrong).area > deletion(model, explained).area + 0.3
    assert insertion(model, wrong).area < insertion(model, explained).area - 0.05


def test_inserting_starts_from_a_blurred_picture_and_ends_with_the_picture(model, explained):
    curve = insertion(model, explained, steps=10)
    whole = float(torch.softmax(model(model.preprocess(explained.picture)), dim=1)[0, 0].detach())
    assert curve.probabilities[-1] == pytest.approx(whole, rel=1e-5)
    assert curve.probabilities[0] < 0.5 * whole
    assert curve.probabilities[1] == pytest.approx(whole, rel=0.05)  # the tenth that matters comes first


def test_a_class_without_a_name_goes_by_its_number(explained):
    model = cl.wrap_module(Red(), "relu", preprocessing=PLAIN).eval()
    numbered = replace(explained, label="0")
    assert deletion(model, numbered).probabilities[0] > 0.8


@pytest.mark.bad_input
def test_what_cannot_be_measured_is_refused(model, explained):
    with pytest.raises(ArgumentError, match="need one of the classes red, other, got 'red rather than other'"):
        deletion(model, replace(explained, label="red rather than other"))
    with pytest.raises(ArgumentError, match="steps: need at least 1, got 0"):
        insertion(model, explained, steps=0)


def test_a_randomized_model_has_the_same_numbers_in_another_order(model):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    one, same, other = randomized(network, seed=1), randomized(network, seed=1), randomized(network, seed=2)
    before, after = network[0].weight.detach(), one[0].weight.detach()
    assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
    assert not torch.equal(before, after)
    assert torch.equal(after, same[0].weight)
    assert not torch.equal(after, other[0].weight)


def test_similarity_is_the_rank_correlation_also_with_equal_values(explained):
    random = np.random.default_rng(3)
    maps = random.integers(-2, 3, (2, 20, 30)).astype(np.float32)
    one, other = (replace(explained, grids={"relu": grid}) for grid in maps)
    expected = spearmanr(maps[0].ravel(), maps[1].ravel()).statistic
    assert similarity(one, other) == pytest.approx(expected, abs=1e-9)
    assert similarity(one, one) == pytest.approx(1)
    both = replace(explained, grids={"relu": maps[0], "early": maps[0]})
    half = replace(explained, grids={"relu": maps[0], "early": maps[1]})
    assert similarity(both, half) == pytest.approx((1 + expected) / 2, abs=1e-9)


def test_a_map_that_is_the_same_everywhere_is_like_none_and_unlike_none(explained):
    flat = replace(explained, grids={"relu": np.full((20, 30), 0.5, np.float32)})
    assert np.isnan(similarity(explained, flat))
    assert np.isnan(similarity(flat, explained))


def test_maps_are_compared_before_the_relu_that_may_leave_nothing_of_them(explained):
    turned = replace(explained, grids={"relu": -explained.grids["relu"]}, heatmap=np.zeros((20, 30), np.float32))
    assert similarity(explained, turned) == pytest.approx(-1)


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam"])
def test_what_the_network_learned_shows_a_shuffled_one_gives_another_map(method):
    learned = cl.wrap_module(network(), TAPS["late"])
    shuffled = [randomized(learned, seed=seed) for seed in range(3)]
    picture = pictures()[0]
    truth = cl.explain(learned, picture, target=3, method=method)
    found = [similarity(truth, cl.explain(one, picture, target=3, method=method)) for one in shuffled]
    assert np.mean(np.abs(found)) < 0.6, found


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"cam", "eigencam", "guided_backprop"}))
def test_what_speaks_against_a_class_is_what_speaks_for_its_negative(method):
    model = cl.wrap_module(network(), TAPS["late"])
    options = {"method": method} if METHODS[method].at_input else {"method": method, "taps": TAPS["late"]}
    counter = cl.explain(model, pictures()[0], target=3, counterfactual=True, **options)
    plain = cl.explain(model, pictures()[0], target=3, **options)
    negative = cl.explain(model, pictures()[0], target=lambda scores: -scores[:, 3], **options)
    assert counter.label == "against 3"
    assert counter.score == pytest.approx(-plain.score)
    np.testing.assert_allclose(counter.heatmap, negative.heatmap, atol=1e-6 * np.abs(negative.heatmap).max())
    assert np.abs(counter.heatmap - plain.heatmap).max() > 0.02 * np.abs(plain.heatmap).max()


def test_a_missing_pixel_is_the_mean_of_its_neighbors_sides_counting_twice_corners():
    picture = np.arange(25.0).reshape(5, 5)[:, ::-1].copy() ** 1.5 / 125
    inside = impute(picture, np.array([12]))
    around = picture[1:4, 1:4]
    expected = (2 * (around[0, 1] + around[1, 0] + around[1, 2] + around[2, 1]) + around[::2, ::2].sum()) / 12
    assert inside[2, 2] == pytest.approx(expected, abs=4 * NOISE)
    rest = np.delete(np.arange(25), 12)
    np.testing.assert_array_equal(inside.ravel()[rest], picture.ravel()[rest])


def test_a_hole_in_a_slope_is_filled_with_the_slope():
    slope = np.tile(np.linspace(0.2, 0.8, 40)[:, None, None], (1, 30, 3))
    missing = np.array([30 * row + column for row in range(12, 25) for column in range(8, 20)])
    healed = impute(slope, missing)
    assert np.abs(healed - slope).max() < 5 * NOISE
    as_bytes = impute(np.round(slope * 255).astype(np.uint8), missing)
    assert as_bytes.dtype == np.uint8
    assert np.abs(as_bytes / 255 - slope).max() < 5 * NOISE
    assert impute(slope, np.arange(1200)).mean() == pytest.approx(0.5, abs=NOISE)


def test_road_rewards_the_map_that_points_at_the_class(model, explained):
    wrong, flat = (replace(explained, heatmap=heatmap) for heatmap in (-explained.heatmap, np.zeros((20, 30), "f")))
    assert road(model, explained) > 0.2
    assert road(model, wrong) == pytest.approx(-road(model, explained), abs=0.05)
    assert abs(road(model, flat)) < abs(road(model, explained))


def test_what_the_map_keeps_loses_nothing_and_what_it_leaves_out_loses_all(model, explained):
    probability = 1 / (1 + np.exp(-2))
    assert drop_and_increase(model, explained) == (pytest.approx(0, abs=1e-5), False)
    wrong = replace(explained, heatmap=(explained.heatmap <= 0).astype(np.float32))
    drop, rose = drop_and_increase(model, wrong)
    assert drop == pytest.approx(1 - 1 / (1 + np.exp(1)) / probability, rel=1e-3)
    assert not rose
    gray = replace(explained, picture=np.full((20, 30), 200, np.uint8))
    assert drop_and_increase(model, gray) == (0, False)


def test_the_pointing_game_and_the_boxs_overlap(explained):
    square = (12.0, 4.0, 22.0, 10.0)
    assert points_at(explained, [(0, 0, 1, 1), square])
    assert not points_at(explained, [(0, 0, 12, 20)])
    assert box_overlap(explained, [square]) == 1
    assert box_overlap(explained, [(12, 4, 22, 16), (0, 0, 1, 1)]) == pytest.approx(0.5)
    empty = replace(explained, heatmap=np.zeros((20, 30), np.float32))
    assert not points_at(empty, [square])
    assert box_overlap(empty, [square]) == 0
    for ask in (points_at, box_overlap):
        with pytest.raises(ArgumentError, match="boxes: need at least one that holds the object, got none"):
            ask(explained, [])
