import numpy as np
import pytest

import convolens as cl
from convolens.effects.sounds.unecho import is_stable, unecho_stream
from convolens.errors import ArgumentError, ShapeError
from convolens.tour.melody import melody

RATE = 22050


@pytest.fixture(scope="module")
def tune():
    return melody(RATE).astype(np.float64)


def in_16_bits(samples):
    return np.round(samples * 32767) / 32767


def decibels(left, removed):
    return 10 * np.log10(np.sum(left**2) / np.sum(removed**2))


@pytest.mark.parametrize(
    ("delays", "weights"), [([0.21, 0.37], [0.5, 0.3]), ([0.3, 0.6], [0.5, 0.25]), ([0.05, 0.12], [0.6, -0.3])]
)
def test_two_echoes_of_a_recording_are_found_in_it_alone_and_removed(tune, delays, weights):
    echoed = in_16_bits(cl.echo(tune, RATE, delays, weights))
    found = cl.find_echoes(echoed, RATE)
    assert [round(d * RATE) for d in found.delays] == [round(d * RATE) for d in delays]
    np.testing.assert_allclose(found.weights, weights, rtol=0.02)
    clean = cl.unecho(echoed, RATE)
    assert clean.shape == echoed.shape
    assert decibels(clean[: len(tune)] - tune, echoed[: len(tune)] - tune) < -30


def test_a_recording_cut_before_its_tail_loses_its_echoes_too(tune):
    echoed = in_16_bits(cl.echo(tune, RATE, [0.21, 0.37], [0.5, 0.3])[: len(tune)])
    assert decibels(cl.unecho(echoed, RATE) - tune, echoed - tune) < -30


def test_echoes_are_found_by_a_reference_whatever_the_level(tune):
    echoed = cl.echo(np.stack([tune, tune[::-1]], axis=1), RATE, [0.001, 0.4], [0.5, 0.3], dry=0.8)[: len(tune)]
    found = cl.find_echoes(echoed, RATE, reference=np.stack([tune, tune[::-1]], axis=1))
    assert [round(d * RATE) for d in found.delays] == [22, 8820]
    np.testing.assert_allclose(found.weights, [0.5 / 0.8, 0.3 / 0.8], rtol=1e-3)


def test_a_sound_without_echoes_is_said_to_have_none(tune):
    for sound in (tune, np.random.default_rng(0).standard_normal(3 * RATE)):
        with pytest.raises(ArgumentError, match="samples: need echoes that stand out, found none; give a reference"):
            cl.find_echoes(sound, RATE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("delays", "weights"),
    [(0.1, 0.9), ([0.1, 0.2], [1.5, 0.6]), (0.1, 2.0), ([0.013, 0.2, 0.2], [0.5, -0.25, 0.1])],
)
def test_known_echoes_are_removed_also_where_they_are_louder_than_the_sound(delays, weights, dtype):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2)).astype(dtype)
    echoed = cl.echo(sound, 1000, delays, weights)
    clean = cl.unecho(echoed, 1000, delays, weights)
    assert clean.dtype == dtype and clean.shape == echoed.shape
    error = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(clean[:5000], sound, atol=error)
    np.testing.assert_allclose(clean[5000:], 0, atol=error)


@pytest.mark.parametrize(
    ("at", "weights", "stable"),
    [([3], [0.9], True), ([3], [1.1], False), ([1, 2], [1.2, 0.5], True), ([1, 2], [0.5, 1.2], False)],
)
def test_stability_is_that_of_the_poles(at, weights, stable):
    polynomial = np.zeros(max(at) + 1)
    polynomial[0], polynomial[at] = 1, weights
    assert bool((np.abs(np.roots(polynomial)) < 1).all()) is stable
    assert is_stable(np.array(at), np.array(weights)) is stable


def test_a_stream_is_the_same_to_the_last_bit_however_it_is_cut():
    echoed = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2)).astype(np.float32)
    echoes = {"delays": [0.013, 0.2], "weights": [0.5, -0.25]}
    whole = cl.unecho(echoed, 1000, **echoes)
    for size in (1, 12, 13, 199, 4999):
        blocks = [echoed[i : i + size] for i in range(0, 5000, size)]
        np.testing.assert_array_equal(np.concatenate(list(unecho_stream(blocks, 1000, **echoes))), whole)


def test_pitches_that_the_echo_cancels_are_let_go_if_one_says_how_far():
    sound = np.random.default_rng(0).standard_normal(4000)
    echoed = cl.echo(sound, 1000, 0.01, 1.0)
    with pytest.raises(ArgumentError, match=r"at \d+ Hz these leave [\d.e-]+ of the sound; with a regularization"):
        cl.unecho(echoed, 1000, 0.01, 1.0)
    clean = cl.unecho(echoed, 1000, 0.01, 1.0, regularization=0.05)[:4000]
    assert decibels(clean - sound, echoed[:4000] - sound) < -10


@pytest.mark.bad_input
def test_what_cannot_be_undone_is_refused():
    sound = np.random.default_rng(0).standard_normal(2000)
    for call, error, message in (
        (lambda: cl.unecho(sound, 1000, 0.1), ArgumentError, "weights: need both delays and weights, or neither"),
        (lambda: cl.unecho(sound, 1000, 0.0, 0.5), ArgumentError, "delays: need at least one frame until an echo"),
        (lambda: cl.unecho(sound, 1000, 0.1, [[0.1, 0.2]]), ArgumentError, "weights: need one for each delay, for all"),
        (
            lambda: cl.unecho(sound, 1000, 0.1, 0.5, regularization=-1),
            ArgumentError,
            "regularization: need a number from 0",
        ),
        (lambda: cl.unecho(sound[:10], 1000), ArgumentError, "samples: need more than 0.04 seconds to find echoes in"),
        (lambda: cl.unecho(sound[:0], 1000), ShapeError, "samples: need .* at least one sample"),
        (lambda: cl.find_echoes(sound, 1000, longest=0.01), ArgumentError, "shortest: need a delay above 0 and below"),
        (
            lambda: cl.find_echoes(sound, 1000, reference=np.zeros((9, 3))),
            ShapeError,
            "reference: need 1 channel, or the record",
        ),
        (lambda: unecho_stream([], 1000, 0.1, 1.5), ArgumentError, "weights: need echoes that die away to undo them"),
    ):
        with pytest.raises(error, match=message):
            call()
