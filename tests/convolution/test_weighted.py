"""Weights of samples: the mean over what counts, as Astropy's `convolve` has it for NaN."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl

RNG = np.random.default_rng(0)


def by_definition(x, kernel, weights, boundary, fill_value):
    """Each output by itself, in the way that Astropy's documentation describes."""
    margins = [(k // 2, k // 2) for k in kernel.shape]
    constant = boundary == "constant"
    missing = np.isnan(fill_value)
    padded = np.pad(x, margins, boundary, **({"constant_values": fill_value} if constant else {}))
    counted = np.pad(weights, margins, boundary, **({"constant_values": 0.0 if missing else 1.0} if constant else {}))
    out = np.full(x.shape, np.nan)
    for at in np.ndindex(*x.shape):
        window = tuple(slice(i, i + k) for i, k in zip(at, kernel.shape, strict=True))
        here = np.flip(kernel) * counted[window]
        if here.any():
            out[at] = kernel.sum() * (here * np.where(counted[window] > 0, padded[window], 0)).sum() / here.sum()
    return out


@given(
    st.sampled_from([((9,), (3,)), ((7, 6), (3, 5)), ((12, 13), (7, 7))]),
    st.sampled_from(["constant", "edge", "symmetric", "wrap"]),
    st.sampled_from([0.0, 2.0, np.nan]),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 999),
)
@settings(max_examples=100)
def test_what_is_missing_does_not_count(shapes, boundary, fill_value, share, graded, seed):
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=shapes[0]), rng.uniform(0.1, 1, size=shapes[1])
    missing = rng.random(shapes[0]) < share
    weights = np.where(missing, 0.0, rng.uniform(0.5, 1, shapes[0]) if graded else 1.0)
    x[missing] = np.nan
    fill_value = fill_value if boundary == "constant" else 0.0
    result = cl.convolve(x, kernel, "same", weights=weights, boundary=boundary, fill_value=fill_value)
    np.testing.assert_allclose(result, by_definition(x, kernel, weights, boundary, fill_value), atol=1e-10)


def test_weights_of_one_change_nothing():
    x, kernel = RNG.normal(size=(20, 30)), RNG.uniform(size=(5, 5))
    for mode in ("full", "same", "valid"):
        np.testing.assert_allclose(
            cl.convolve(x, kernel, mode, weights=np.ones(x.shape)), cl.convolve(x, kernel, mode), atol=1e-12
        )


def test_a_mask_for_all_colours_serves_each():
    x, kernel, mask = RNG.normal(size=(9, 8, 3)), RNG.uniform(size=(3, 3)), RNG.random((9, 8, 1)) < 0.6
    expected = np.stack([cl.convolve(x[..., c], kernel, "same", weights=mask[..., 0]) for c in range(3)], axis=2)
    np.testing.assert_allclose(cl.convolve(x, kernel, "same", axes=(0, 1), weights=mask), expected, atol=1e-12)


def test_a_large_hole_is_empty_where_no_sample_is_in_sight_and_exact_at_its_rim():
    """By transforms the rim's few weights would drown in the rounding of the others."""
    x, kernel = np.full((300, 300), 3.0), RNG.uniform(size=(65, 65)) ** 8
    mask = np.ones(x.shape, bool)
    mask[100:220, 100:220] = False
    result = cl.convolve(x, kernel, "same", boundary="edge", weights=mask)
    inside = np.zeros(x.shape, bool)
    inside[132:188, 132:188] = True
    assert np.isnan(result[inside]).all()
    np.testing.assert_allclose(result[~inside], 3.0 * kernel.sum(), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_the_dtype_is_that_of_a_mean(dtype):
    x = np.arange(9).astype(dtype)
    result = cl.convolve(x, np.ones(3, dtype), "same", weights=np.ones(9))
    assert result.dtype == (dtype if np.dtype(dtype).kind == "f" else np.float64)


def test_tensors_give_the_same_with_gradients_in_all_three():
    x, kernel, weights = (
        torch.tensor(a, requires_grad=True)
        for a in (RNG.normal(size=(5, 6)), RNG.uniform(0.5, 1, (3, 3)), RNG.uniform(0.5, 1, (5, 6)))
    )
    result = cl.convolve(x, kernel, "same", weights=weights)
    expected = cl.convolve(*(a.detach().numpy() for a in (x, kernel)), "same", weights=weights.detach().numpy())
    np.testing.assert_allclose(result.detach(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda *a: cl.convolve(a[0], a[1], "same", weights=a[2]), (x, kernel, weights))
