"""Every mistake a caller can make has one clear sentence."""

import numpy as np
import pytest
import torch

import convolens as cl
from convolens import errors

pytestmark = pytest.mark.bad_input

LINE = np.arange(5.0)
BAD_CALLS = [
    ((LINE, np.zeros(0)), {}, errors.ShapeError, r"^kernel: need at least one weight on each axis, got shape \(0,\)"),
    ((LINE, []), {}, errors.ShapeError, r"^kernel: need at least one weight"),
    ((LINE, np.ones((2, 2))), {}, errors.ShapeError, r"^kernel: need 1 dimensions, as many as x, got 2; .* axes="),
    ((np.float64(3), np.float64(2)), {}, errors.ShapeError, r"^kernel: need 1 dimensions"),
    ((np.ones((3, 3)), np.ones(2)), {"axes": (0, 1)}, errors.ShapeError, r"^kernel: need 2 dimensions, one for each"),
    (
        (np.ones((3, 3)), np.ones(2)),
        {"axes": 2},
        errors.ArgumentError,
        r"^axes: need axes of x, from -2 to 1",
    ),
    ((np.ones((3, 3)), np.ones((2, 2))), {"axes": (1, -1)}, errors.ArgumentError, r"^axes: need each axis once"),
    ((np.ones((1,) * 9), np.ones((1,) * 9)), {}, errors.ShapeError, r"^x: need at most 8 dimensions, got 9"),
    ((LINE, np.ones(3)), {"mode": "vaild"}, errors.ArgumentError, r"^mode: need one of full, same, valid, got 'vaild'"),
    (
        (np.ones((5, 2)), np.ones((2, 5))),
        {"mode": "valid"},
        errors.ShapeError,
        r"^kernel: need at most x's size with mode 'valid', or at least that on every axis, got \(2, 5\)",
    ),
    (
        (LINE, np.ones(3)),
        {"boundary": ("edge", "wrap")},
        errors.BoundaryError,
        r"^boundary: need one, or one for each of the kernel's 1 axes, got 2",
    ),
    ((LINE, np.ones(3)), {"step": 0}, errors.ArgumentError, r"^step: need a whole number of at least 1, got 0"),
    ((LINE, np.ones(3)), {"step": (1, 2)}, errors.ArgumentError, r"^step: need one, or one for each of the kernel's 1"),
    (
        (LINE, np.ones(3)),
        {"mode": "same", "origin": 2},
        errors.ArgumentError,
        r"^origin: need a whole number from -1 to 1 for 3 weights, got 2",
    ),
    ((LINE, np.ones(3)), {"origin": 1}, errors.ArgumentError, r"^origin: need mode 'same', .* got 'full'"),
    (
        (np.ones((4, 5)), np.ones((3, 5))),
        {"axes": 1},
        errors.ShapeError,
        r"^kernel: need 1 or x's size on axes that are not convolved, got \(3, 5\) over x's \(4, 5\)",
    ),
    ((LINE, np.ones(3)), {"weights": np.ones(4)}, errors.ShapeError, r"^weights: need x's shape \(5,\), .*got \(4,\)"),
    ((LINE, np.ones(3)), {"weights": -LINE}, errors.ArgumentError, r"^weights: need finite numbers of at least 0"),
    ((LINE, np.ones(3)), {"weights": LINE * 1j}, errors.DtypeError, r"^weights: need real numbers, got complex128"),
    ((LINE, [1.0, -1]), {"weights": LINE}, errors.ArgumentError, r"^kernel: need weights that do not sum to 0"),
    ((LINE, np.ones(3)), {"method": "local"}, errors.MethodError, r"^method: need one of auto, .* got 'local'"),
    ((LINE, np.ones(3)), {"mode": "valid", "boundary": "wrap"}, errors.BoundaryError, r"default with mode 'valid'"),
    ((LINE, np.ones(3)), {"mode": "valid", "fill_value": 1}, errors.BoundaryError, r"default with mode 'valid'"),
    ((LINE, np.ones(3)), {"boundary": "mirror"}, errors.BoundaryError, r"'mirror' is 'reflect' in numpy's words"),
    ((LINE, np.ones(3)), {"boundary": "nearest"}, errors.BoundaryError, r"'nearest' is 'edge' in numpy's words"),
    ((LINE, np.ones(3)), {"boundary": "replicate"}, errors.BoundaryError, r"'replicate' is 'edge' in numpy's words"),
    ((np.zeros(0), np.ones(3)), {"boundary": "edge"}, errors.BoundaryError, r"at least one sample to continue from"),
    ((np.array([None, 1]), np.ones(1)), {}, errors.DtypeError, r"^x: need numbers, got dtype object"),
    ((np.array(["a"]), np.ones(1)), {}, errors.DtypeError, r"^x: need numbers, got dtype <U1"),
    ((LINE, np.array(["a"])), {}, errors.DtypeError, r"^kernel: need numbers, got dtype <U1"),
    ((LINE, [[1, 2], [3]]), {}, errors.DtypeError, r"^kernel: need numbers in a regular array"),
    ((LINE.astype(np.longdouble), LINE), {}, errors.DtypeError, r"need at most float64 or complex128, got float128"),
    ((LINE, np.ones(3)), {"fill_value": 1j}, errors.DtypeError, r"^fill_value: need a real number for float64"),
    ((LINE, np.ones(3)), {"fill_value": "0"}, errors.DtypeError, r"^fill_value: need a number, got '0'"),
    ((LINE, np.ones(3)), {"fill_value": None}, errors.DtypeError, r"^fill_value: need a number, got None"),
    ((LINE, np.ones(3)), {"fill_value": LINE}, errors.DtypeError, r"^fill_value: need a number"),
    (
        ([1, 2], [1, 2]),
        {"fill_value": 0.5},
        errors.DtypeError,
        r"^fill_value: need a whole number for integers",
    ),
    (([1, 2], [1, 2]), {"fill_value": 2**63}, errors.OverflowRefused, r"^fill_value: need an integer of 64 bits"),
    (
        (LINE, np.ones(3)),
        {"method": "magic"},
        errors.MethodError,
        r"^method: need one of auto, direct, .*, got 'magic'",
    ),
    (
        (LINE, np.ones(3)),
        {"method": "sparse"},
        errors.MethodError,
        r"^method 'sparse': .* half of the weights",
    ),
    ((LINE, np.ones(3)), {"out": np.empty(5)}, errors.ShapeError, r"^out: need the result's shape \(7,\), got \(5,\)"),
    ((LINE, np.ones(3)), {"out": np.empty(7, "f4")}, errors.DtypeError, r"^out: need the result's dtype float64"),
    ((LINE, np.ones(3)), {"out": [0.0] * 7}, errors.DtypeError, r"^out: need a NumPy array, got list"),
    ((np.full(3, 2**62), [4]), {}, errors.OverflowRefused, r"^integer result: need values of 64 bits, got 18446744"),
    ((np.array([2**64 - 1], "u8"), [1]), {}, errors.OverflowRefused, r"got 18446744073709551615; convert x or"),
]


@pytest.mark.parametrize("function", [cl.convolve, cl.correlate])
@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD_CALLS)
def test_a_mistake_gets_its_own_sentence(function, arguments, options, error, message):
    with pytest.raises(error, match=message):
        function(*arguments, **options)


def test_a_read_only_result_is_refused():
    out = np.empty(7)
    out.flags.writeable = False
    with pytest.raises(errors.ArgumentError, match=r"^out: need an array that can be written"):
        cl.convolve(LINE, np.ones(3), out=out)


def test_tensors_on_different_devices_are_refused():
    with pytest.raises(errors.DeviceError, match=r"^kernel: need it on x's device cpu, got meta"):
        cl.convolve(torch.ones(5), torch.ones(3, device="meta"))


def test_out_is_refused_for_tensors():
    with pytest.raises(errors.ArgumentError, match=r"^out: need none for tensors"):
        cl.convolve(torch.ones(5), torch.ones(3), out=np.empty(7))


def test_tensors_get_the_same_sentences():
    with pytest.raises(errors.BoundaryError, match=r"'replicate' is 'edge'"):
        cl.convolve(torch.ones(5), torch.ones(3), boundary="replicate")
    with pytest.raises(errors.ShapeError, match=r"^kernel: need at least one weight"):
        cl.convolve(torch.ones(5), torch.ones(0))
    with pytest.raises(errors.MethodError, match=r"^method: need one of auto, .*, got 'magic'"):
        cl.convolve(torch.ones(5), torch.ones(3), method="magic")
