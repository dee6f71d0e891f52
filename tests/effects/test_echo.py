import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError

torch = pytest.importorskip("torch")


def noise(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def by_definition(samples, rate, delays, weights, dry):
    frames = [round(delay * rate) for delay in delays]
    out = np.zeros((len(samples) + max([0, *frames]), *samples.shape[1:]), samples.dtype)
    for at, weight in zip([0, *frames], [dry, *weights], strict=True):
        out[at : at + len(samples)] += samples.dtype.type(weight) * samples
    return out


def test_echo_of_a_click_lands_where_it_should():
    click = np.zeros(100, np.float32)
    click[10] = 1
    out = cl.echo(click, 1000, [0.05, 0.2], [0.5, -0.25])
    assert out.shape == (300,)
    assert {int(at): float(out[at]) for at in np.flatnonzero(out)} == {10: 1.0, 60: 0.5, 210: -0.25}


@given(
    taps=st.lists(st.tuples(st.integers(0, 3000), st.floats(-2, 2)), min_size=1, max_size=5),
    dry=st.floats(-1, 1),
    shape=st.sampled_from([(1,), (2000,), (2000, 1), (500, 2), (3, 5)]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_echo_is_its_definition(taps, dry, shape, dtype):
    samples = noise(*shape, dtype=dtype)
    delays, weights = [at / 8000 for at, _ in taps], [w for _, w in taps]
    out = cl.echo(samples, 8000, delays, weights, dry=dry)
    expected = by_definition(samples, 8000, delays, weights, dry)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=0, atol=np.finfo(dtype).eps * 64)


def test_energy_of_echoes_that_do_not_overlap_is_the_sum_of_their_energies():
    samples = noise(500, dtype=np.float64)
    out = cl.echo(samples, 1000, [1.0, 2.0], [0.5, 0.25])
    assert np.sum(out**2) == pytest.approx(np.sum(samples**2) * (1 + 0.25 + 0.0625))


def test_channels_do_not_hear_one_another():
    left = noise(400)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    out = cl.echo(both, 100, 0.5, 0.5)
    np.testing.assert_allclose(out[:, 0], cl.echo(left, 100, 0.5, 0.5), atol=1e-6)
    assert not out[:, 1].any()


def test_two_echoes_in_one_frame_add_up():
    np.testing.assert_allclose(cl.echo(np.ones(1), 10, [0.1, 0.1], [0.5, 0.25], dry=0), [0, 0.75])


def test_a_tensor_gives_a_tensor_with_gradients():
    samples = torch.tensor(noise(50, 2, dtype=np.float64), requires_grad=True)
    out = cl.echo(samples, 10, [0.3, 1.0], [0.5, 0.25])
    np.testing.assert_allclose(out.detach(), cl.echo(samples.detach().numpy(), 10, [0.3, 1.0], [0.5, 0.25]))
    assert torch.autograd.gradcheck(lambda s: cl.echo(s, 10, [0.3, 1.0], [0.5, 0.25]), samples)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(0), 10, 1, 1), ShapeError, r"samples: need .* at least one sample, got shape \(0,\)"),
        ((np.zeros((2, 2, 2)), 10, 1, 1), ShapeError, r"samples: need \(frames,\) or \(frames, channels\)"),
        ((np.zeros(3, np.int16), 10, 1, 1), DtypeError, r"samples: need floats in \[-1, 1\], got int16"),
        ((np.zeros(3), 0, 1, 1), ArgumentError, "rate: need a positive number of frames a second, got 0"),
        ((np.zeros(3), np.nan, 1, 1), ArgumentError, "rate: need a positive number"),
        ((np.zeros(3), 10, -1, 1), ArgumentError, "delays: need seconds of at least 0, got -1"),
        ((np.zeros(3), 10, np.inf, 1), ArgumentError, "delays: need a finite number, or a list of them, got inf"),
        ((np.zeros(3), 10, [1, np.nan], [1, 1]), ArgumentError, "delays: need a finite number"),
        ((np.zeros(3), 10, 1, np.nan), ArgumentError, "weights: need a finite number"),
        ((np.zeros(3), 10, [1, 2], [1]), ArgumentError, "weights: need one for each of the 2 delays, got 1"),
    ],
)
def test_what_makes_no_echo_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        cl.echo(*arguments)


@pytest.mark.bad_input
def test_a_dry_level_that_is_no_number_is_refused():
    with pytest.raises(ArgumentError, match="dry: need a finite number, got nan"):
        cl.echo(np.zeros(3), 10, 1, 1, dry=np.nan)
