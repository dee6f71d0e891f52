from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch.nn.functional import cross_entropy

from convolens.training.linear import fit_linear


def blobs(seed=0, samples=60, features=4, classes=3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    centers = random.normal(size=(classes, features)) * [1, 100, 0.01, 5]
    noise = random.normal(size=(samples, features)) * [1, 100, 0.01, 5]
    return centers[labels] + noise + 30, labels


def loss(labels):
    return lambda scores: cross_entropy(scores, torch.tensor(labels))


def last(steps):
    *_, fit = steps
    return fit


def test_the_weights_are_those_that_scipy_finds_for_the_same_loss():
    x, labels = blobs()
    standard = (x - x.mean(0)) / x.std(0)

    def objective(flat):
        weight, bias = flat[:12].reshape(3, 4), flat[12:]
        logits = standard @ weight.T + bias
        return np.mean(logsumexp(logits, axis=1) - logits[np.arange(60), labels]) + 0.01 / 2 * np.sum(weight**2)

    best = minimize(objective, np.zeros(15), tol=1e-12)
    fit = last(fit_linear(torch.tensor(x), loss(labels), 3, weight_decay=0.01))
    np.testing.assert_allclose(fit.weight.numpy() * x.std(0), best.x[:12].reshape(3, 4), atol=1e-4)
    ours = torch.softmax(torch.tensor(x) @ fit.weight.T + fit.bias, dim=1)
    logits = standard @ best.x[:12].reshape(3, 4).T + best.x[12:]
    np.testing.assert_allclose(ours.numpy(), np.exp(logits - logsumexp(logits, axis=1, keepdims=True)), atol=1e-4)


def test_the_loss_falls_with_every_step():
    x, labels = blobs()
    losses = [fit.loss for fit in fit_linear(torch.tensor(x), loss(labels), 3)]
    assert losses[0] == pytest.approx(np.log(3))  # all classes alike
    assert all(later < earlier for earlier, later in pairwise(losses[:10]))


def test_the_same_data_gives_the_same_bits():
    x, labels = blobs()
    one, two = (last(fit_linear(torch.tensor(x), loss(labels), 3)) for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(one.bias, two.bias)


def test_a_feature_that_never_varies_gets_no_weight():
    x, labels = blobs()
    x[:, 2] = 0.1
    fit = last(fit_linear(torch.tensor(x, dtype=torch.float32), loss(labels), 3))
    assert fit.weight.dtype == torch.float32
    assert not fit.weight[:, 2].any()
    assert fit.weight.isfinite().all()


def test_more_decay_gives_smaller_weights():
    x, labels = blobs()
    sizes = [
        float(last(fit_linear(torch.tensor(x), loss(labels), 3, weight_decay=decay)).weight.norm())
        for decay in (0.001, 0.1, 10.0)
    ]
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]
