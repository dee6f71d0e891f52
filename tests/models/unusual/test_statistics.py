"""What good pictures' features are like, against definitions and other libraries."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from convolens.evaluation.pixel_scores import PixelScores
from convolens.explanation.upsampling import to_input, to_picture
from convolens.heatmaps import Grid
from convolens.models.unusual import ByPlace, MemoryBank
from convolens.models.unusual.limit import limit
from convolens.models.unusual.memory_bank import coreset
from convolens.trunks import Preprocessing
from convolens.trunks.receptive import ReceptiveField


def features(pictures, places, count, seed=0):
    """Features that every place mixes in a way of its own."""
    random = np.random.default_rng(seed)
    mixes = np.eye(count) + random.normal(0, 0.2, (places, count, count))
    drawn = random.normal(0, 1, (pictures, places, count))
    return torch.tensor(np.einsum("npf,pfg->npg", drawn, mixes) + 3, dtype=torch.float32)


def test_a_places_distance_is_that_of_mahalanobis_with_ledoit_and_wolfs_covariance():
    good, other = features(30, 4, 6), features(5, 4, 6, seed=1)
    made, _ = ByPlace.fitted(good, [torch.arange(6)], 0)
    found = made(other).numpy()
    mean, whiten = good.mean(dim=0), made.whiten
    for place in range(4):
        white = ((good[:, place] - mean[place]) @ whiten).double().numpy()
        covariance, _ = ledoit_wolf(white, assume_centered=True)
        away = ((other[:, place] - mean[place]) @ whiten).double().numpy()
        squared = np.einsum("nf,fg,ng->n", away, np.linalg.inv(covariance), away)
        np.testing.assert_allclose(found[:, place], np.sqrt(squared / 6), rtol=2e-3)


def test_held_out_pictures_are_farther_than_pictures_that_were_learned_from():
    good = features(20, 3, 6)
    made, held_out = ByPlace.fitted(good, list(torch.arange(20).chunk(5)), 0)
    assert (held_out.mean(dim=0) > made(good).mean(dim=0)).all()


def test_a_bank_gives_the_distance_from_its_nearest_feature():
    good, other = features(9, 5, 4), features(3, 5, 4, seed=2)
    made, held_out = MemoryBank.fitted(good, [torch.tensor([0, 3])], 0)
    expected = cdist(other.flatten(0, 1).numpy(), made.bank.numpy()).min(axis=1) / 2
    np.testing.assert_allclose(made(other).flatten().numpy(), expected, rtol=1e-3, atol=1e-3)
    assert (held_out[[0, 3]] > 0.01).all()
    assert made(good[:1]).max() < 1e-2


def test_a_coreset_goes_to_what_is_farthest():
    points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [9.0, 0.0], [0.0, 9.0]])
    assert {3, 4} <= set(coreset(points, 3, 0).tolist())


def test_the_limit_is_exceeded_as_often_as_promised():
    random = np.random.default_rng(0)
    for count, rate in ((400, 0.05), (12, 0.05)):
        above = [
            float((random.lognormal(0, 0.3, 500) >= limit(random.lognormal(0, 0.3, count), rate)).mean())
            for _ in range(300)
        ]
        assert np.mean(above) < rate + 0.005
    assert np.mean(above) > 0.01


def test_scores_of_pixels_are_compared_as_sklearn_does():
    random = np.random.default_rng(0)
    counts, heat, masks = PixelScores(), random.random((4, 30, 40)).astype(np.float32), np.zeros((4, 30, 40), bool)
    masks[:2, 5:12, 3:30] = True
    heat[masks] += 0.3
    for one, mask in zip(heat, masks, strict=True):
        counts.add(one, mask)
    assert counts.auroc() == pytest.approx(roc_auc_score(masks.ravel(), heat.ravel()), abs=1e-4)


def test_the_overlap_counts_regions_alike_however_large_they_are():
    mask = np.zeros((20, 20), bool)
    mask[0, 0], mask[10:, 10:] = True, True
    heat = np.full((20, 20), 0.1, np.float32)
    heat[mask] = 0.05  # below all good pixels: found only where all of them are too
    heat[0, 0] = 1
    counts = PixelScores()
    counts.add(heat, mask)
    assert counts.regions == 2
    # The one of a pixel is found at once, the one of a hundred only with every good pixel.
    assert counts.pro() == pytest.approx(0.5, abs=1e-6)


def test_a_heatmap_lies_where_explain_puts_its_maps():
    cells = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    field, preprocessing = ReceptiveField(11, 8, -3), Preprocessing(stretch=(48, 64))
    expected = to_picture(to_input(cells[None], 48, 64, field)[0], preprocessing, (130, 90))
    found = Grid(8.0, -3 + 11 / 2, (48, 64)).in_picture(cells.numpy(), (130, 90))
    np.testing.assert_allclose(found, expected, atol=1e-5)
