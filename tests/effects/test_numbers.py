"""Whatever is given for a number of an effect and is none, is refused by that number's name."""

import numpy as np
import pytest

import convolens as cl
from convolens.effects.filtering import filtered
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.effects.sounds.resampling import resample
from convolens.effects.sounds.sound import soften
from convolens.errors import ArgumentError

pytestmark = pytest.mark.bad_input

PICTURE = np.random.default_rng(0).random((9, 8))
SOUND = np.random.default_rng(0).standard_normal(400)
IMPULSE = np.ones(3)

# Each effect with the arguments that it needs, and the numbers that it takes.
EFFECTS = {
    "blur": (cl.blur, {"image": PICTURE, "sigma": 1}, ["sigma", "tolerance", "truncate"]),
    "sharpen": (cl.sharpen, {"image": PICTURE}, ["sigma", "amount", "threshold"]),
    "canny": (cl.canny, {"image": PICTURE}, ["sigma", "low", "high"]),
    "laplacian": (cl.laplacian_of_gaussian, {"image": PICTURE, "sigma": 1}, ["sigma", "truncate"]),
    "difference": (cl.difference_of_gaussians, {"image": PICTURE, "low": 1}, ["low", "high"]),
    "edges: sobel": (edge_picture, {"image": PICTURE}, ["gain"]),
    "edges: canny": (edge_picture, {"image": PICTURE, "method": "canny"}, ["sigma", "low", "high"]),
    "edges: log": (edge_picture, {"image": PICTURE, "method": "log"}, ["sigma", "gain"]),
    "edges: dog": (edge_picture, {"image": PICTURE, "method": "dog"}, ["sigma", "gain"]),
    "filter": (filtered, {"signal": SOUND, "weights": IMPULSE}, ["offset"]),
    "echo": (
        cl.echo,
        {"samples": SOUND, "rate": 100, "delays": 0.1, "weights": 0.5},
        ["rate", "delays", "weights", "dry", "feedback"],
    ),
    "echo kernel": (
        cl.echo_kernel,
        {"rate": 100, "delays": 0.1, "weights": 0.5},
        ["rate", "delays", "weights", "dry"],
    ),
    "unecho": (
        cl.unecho,
        {"samples": SOUND, "rate": 100, "delays": 0.1, "weights": 0.5},
        ["rate", "delays", "weights", "regularization"],
    ),
    "find echoes": (cl.find_echoes, {"samples": SOUND, "rate": 100}, ["rate", "shortest", "longest"]),
    "reverb": (
        cl.reverb,
        {"samples": SOUND, "impulse": IMPULSE, "rate": 100, "impulse_rate": 200, "pre_delay": 0.1},
        ["dry", "wet", "rate", "impulse_rate", "pre_delay"],
    ),
    "resample": (resample, {"samples": SOUND, "rate": 100, "to": 50}, ["rate", "to"]),
    "soften": (soften, {"samples": SOUND}, ["knee"]),
}
NUMBERS = [(name, number) for name, (_, _, numbers) in EFFECTS.items() for number in numbers]
NONE_BY_DEFAULT = [("blur", "truncate"), ("difference", "high"), ("unecho", "delays"), ("reverb", "impulse_rate")]
WRONG = {
    "text": "a",
    "digits": "1",
    "NaN": np.nan,
    "infinity": np.inf,
    "a truth": True,
    "NumPy's truth": np.bool_(True),
    "complex": 1j,
    "axes": np.ones((2, 2, 2)),
    "a dict": {},
    "ragged": [[1.0], [1.0, 2.0]],
    "too large": 10**400,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("name", "number"), NUMBERS)
def test_what_is_no_number_is_refused_by_its_name(name, number, wrong):
    effect, arguments, _ = EFFECTS[name]
    with pytest.raises(ArgumentError, match=f"^{number}: need "):
        effect(**(arguments | {number: WRONG[wrong]}))


@pytest.mark.parametrize(("name", "number"), [pair for pair in NUMBERS if pair not in NONE_BY_DEFAULT])
def test_none_is_refused_where_it_is_not_the_default(name, number):
    effect, arguments, _ = EFFECTS[name]
    with pytest.raises(ArgumentError, match=f"^{number}: need "):
        effect(**(arguments | {number: None}))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_kernels_size_that_is_no_number_is_refused(wrong):
    with pytest.raises(ArgumentError, match=r"^kernel gaussian: need a size in pixels from 0.01"):
        cl.kernel("gaussian", WRONG[wrong])


@pytest.mark.parametrize("one", [1, 1.0, np.float32(1), np.int8(1), np.array(1.0)], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(("name", "number"), [("blur", "sigma"), ("sharpen", "amount"), ("echo", "dry")])
def test_every_kind_of_number_is_one(name, number, one):
    effect, arguments, _ = EFFECTS[name]
    np.testing.assert_array_equal(effect(**(arguments | {number: one})), effect(**(arguments | {number: 1})))
