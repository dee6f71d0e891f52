import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens.stylization.subband_preconditioner import Subbands, inverse_curvature

SIDES = st.integers(1, 33)


def some_picture(rows, columns):
    numbers = np.random.default_rng(rows * 100 + columns).normal(size=(1, 3, rows, columns))
    return torch.from_numpy(numbers)


@settings(max_examples=60, deadline=None)
@given(rows=SIDES, columns=SIDES)
def test_the_bands_hold_the_whole_picture(rows, columns):
    picture = some_picture(rows, columns)
    bands = Subbands(picture)
    energies = bands.energies(picture)
    assert float(energies.sum()) == pytest.approx(float(picture.square().sum()), rel=1e-9)
    torch.testing.assert_close(bands.scaled(picture, torch.ones_like(energies)), picture)


@settings(max_examples=60, deadline=None)
@given(rows=SIDES, columns=SIDES)
def test_a_factor_scales_its_band_and_no_other(rows, columns):
    picture = some_picture(rows, columns)
    bands = Subbands(picture)
    energies = bands.energies(picture)
    factors = torch.arange(1.0, 1 + energies.numel(), dtype=torch.float64).reshape(energies.shape)
    found = bands.energies(bands.scaled(picture, factors))
    torch.testing.assert_close(found, energies * factors.square(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_less_precise_pictures_have_the_same_bands(dtype):
    picture = some_picture(16, 24).to(dtype)
    bands, exact = Subbands(picture), Subbands(picture.double())
    energies = bands.energies(picture)
    torch.testing.assert_close(energies, exact.energies(picture.double()), rtol=2e-2, atol=1e-2)
    assert bands.scaled(picture, energies / energies.max()).dtype == dtype


@pytest.mark.parametrize(("wave", "octave"), [(2, 0), (4, 1), (8, 2), (16, 3), (64, 5), (float("inf"), 6)])
@pytest.mark.parametrize("color", [False, True])
def test_a_wave_is_in_the_octave_of_its_length(wave, octave, color):
    ripple = torch.cos(2 * torch.pi * (torch.arange(64) + 0.25) / wave).expand(1, 3, 64, 64).double()
    picture = ripple * torch.tensor([1.0, -1.0, 0.0] if color else [1.0, 1.0, 1.0]).view(1, 3, 1, 1)
    energies = Subbands(picture).energies(picture)
    assert energies[int(color), octave] == pytest.approx(float(energies.sum()))


def test_a_bands_inverse_curvature_is_that_of_its_steps():
    curvature = torch.logspace(-1, 1, 21, dtype=torch.float64).reshape(3, 7)
    steps = torch.linspace(1, 3, 21, dtype=torch.float64).reshape(3, 7)
    torch.testing.assert_close(inverse_curvature(steps, steps * curvature.square()), 1 / curvature)


def test_a_band_of_which_nothing_is_known_gets_the_average():
    steps, changes = torch.full((3, 7), 4.0), torch.ones(3, 7)
    steps[1, 2] = changes[1, 2] = steps[2, 3] = changes[0, 0] = 0
    found = inverse_curvature(steps, changes)
    overall = (steps.sum() / changes.sum()).sqrt()
    assert found[1, 2] == overall
    assert found[2, 3] == overall / 1000  # moved nothing, but was changed: as little as any may
    assert found[0, 0] == overall  # moved, and nothing was felt: not endlessly far
