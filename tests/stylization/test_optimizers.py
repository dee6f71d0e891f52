import pytest
import torch

from convolens.stylization.objective import Evaluation
from convolens.stylization.optimizers import Adam, Lbfgs, averaged, optimize
from convolens.stylization.subband_preconditioner import Subbands


def bowl(center, widths):
    """½ Σ w (x - c)²: its least value over [0, 1] is where each coordinate is its centre, cut off."""

    def loss(x):
        off = x - center
        return Evaluation(float((widths * off.square()).sum()) / 2, widths * off, {})

    return loss


@pytest.fixture
def center():
    return torch.tensor([0.2, 0.7, 1.4, -0.3, 0.5, 0.9], dtype=torch.float64).reshape(1, 3, 1, 2)


@pytest.fixture
def widths():
    return torch.tensor([1.0, 50.0, 3.0, 7.0, 200.0, 0.5], dtype=torch.float64).reshape(1, 3, 1, 2)


@pytest.mark.parametrize(("optimizer", "steps", "tolerance"), [(Lbfgs(10), 60, 1e-5), (Adam(), 400, 2e-3)])
def test_it_ends_at_the_best_place_within_the_pictures_range(center, widths, optimizer, steps, tolerance):
    last = [*optimize(torch.full_like(center, 0.5), bowl(center, widths), optimizer, steps)][-1]
    torch.testing.assert_close(last.picture, center.clamp(0, 1), atol=tolerance, rtol=0)


def test_lbfgs_never_raises_the_loss_and_keeps_only_its_history(center, widths):
    optimizer = Lbfgs(3)
    iterates = optimize(torch.zeros_like(center), bowl(center, widths), optimizer, 20)
    losses = [iterate.evaluation.loss for iterate in iterates]
    assert losses == sorted(losses, reverse=True)
    assert len(optimizer.pairs) <= 3


def test_nothing_to_gain_is_no_step(center, widths):
    assert [*optimize(center.clamp(0, 1), bowl(center.clamp(0, 1), widths), Lbfgs(5), 9)] == []


@pytest.mark.parametrize("optimizer", [Lbfgs(5), Adam()])
def test_a_loss_that_is_not_finite_is_stepped_back_from_and_said(center, widths, optimizer):
    calls = []

    def loss(x):
        calls.append(x)
        found = bowl(center, widths)(x)
        return Evaluation(float("nan"), found.gradient, {}) if len(calls) == 4 else found

    iterates = [*optimize(torch.full_like(center, 0.5), loss, optimizer, 5)]
    assert [bool(one.note) for one in iterates] == [False, False, True, False, False]
    assert "not finite: a smaller step" in iterates[2].note
    assert all(torch.isfinite(one.picture).all() for one in iterates)


def test_a_loss_that_is_never_finite_again_ends_the_optimization(center, widths):
    calls = []

    def loss(x):
        calls.append(x)
        return Evaluation(float("nan") if len(calls) > 3 else 1.0 / len(calls), torch.ones_like(x), {})

    assert len([*optimize(torch.full_like(center, 0.5), loss, Adam(), 50)]) == 2


def test_the_running_average_is_the_mean_of_the_first_and_forgets_older_ones():
    mean = None
    for count, value in enumerate([1.0, 2.0, 3.0], 1):
        mean = averaged(mean, torch.tensor([value]), count)
    assert mean.item() == pytest.approx(2)
    for count in range(4, 200):
        mean = averaged(mean, torch.tensor([5.0]), count)
    assert mean.item() == pytest.approx(5, abs=1e-5)


def test_bands_of_unlike_curvature_are_settled_in_a_few_steps():
    picture = torch.full((1, 3, 48, 48), 0.5, dtype=torch.float64)
    bands = Subbands(picture)
    curvature = torch.logspace(0, 3, 21, dtype=torch.float64).reshape(3, 7)
    target = picture + 0.1 * torch.rand(picture.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(x):
        gradient = bands.scaled(x - target, curvature)
        return Evaluation(float((gradient * (x - target)).sum()) / 2, gradient, {})

    *_, last = optimize(picture, loss, Lbfgs(4), 20)
    assert last.evaluation.loss < 1e-6 * loss(picture).loss
