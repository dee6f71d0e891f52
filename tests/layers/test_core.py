"""The core's kernels, forced: every size they are offered, not only those where they are the fastest."""

import gc
import os
import subprocess
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d, max_pool2d

import convolens as cl
from convolens import _core
from convolens.layers import core, methods, packing
from convolens.layers.geometry import Geometry, conv_geometry
from tests.instruction_sets import EACH, using
from tests.memory import resident

# Of the largest output, against float64: the transforms' own error, some way below what `cl.precision` promises.
ALLOWED = {2: 2e-6, 4: 2e-5}


@pytest.fixture(params=EACH)
def instruction_set(request):
    with using(request.param):
        yield request.param


@pytest.fixture
def exact():
    cl.precision("exact")
    yield
    cl.precision("fast")


@st.composite
def cases(draw):
    top, left, bottom, right = (draw(st.sampled_from([0, 1, 1, 2])) for _ in range(4))
    height, width = (draw(st.integers(max(1, 3 - a), 14)) for a in (top + bottom, left + right))
    n, channels, filters = draw(st.integers(0, 2)), draw(st.integers(1, 140)), draw(st.integers(1, 70))
    order = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    shapes = (n, channels, height, width), (filters, channels, 3, 3)
    y_shape = (n, filters, height + top + bottom - 2, width + left + right - 2)
    return Geometry(*shapes, y_shape, (1, 1), (top, left), (bottom, right), (1, 1), 1), order


def operands(case):
    geometry, order = case
    weight = pictures(*geometry.weight_shape, seed=1).contiguous(memory_format=order)
    return pictures(*geometry.x_shape), weight, geometry


def pictures(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relative_error(got, wanted, terms=1):
    """Of the largest output, or of what a sum of so many unit normal products would be, where that is larger."""
    assert got.shape == wanted.shape
    scale = max(wanted.abs().max().item() if wanted.numel() else 0, terms**0.5, 1.0)
    return ((got - wanted).abs().max() / scale).item() if wanted.numel() else 0.0


def in_double(x, weight, geometry):
    return methods.torch_output(x.double(), weight.double(), None, geometry)


@settings(max_examples=150)
@given(cases(), st.sampled_from([2, 4]), st.booleans(), st.booleans(), st.booleans())
def test_winograd_with_everything_that_follows_it_is_the_convolution(case, tile, with_bias, with_residual, relu):
    x, weight, geometry = operands(case)
    bias = torch.linspace(-9, 9, weight.shape[0]) if with_bias else None
    residual = torch.randn(geometry.y_shape) * 9 if with_residual else None
    got = core.winograd_output(
        x, weight, geometry, tile, core.Epilogue(bias, residual, relu), packing.transformed(weight, tile)
    )
    wanted = in_double(x, weight, geometry)
    wanted = wanted if bias is None else wanted + bias[:, None, None]
    wanted = wanted if residual is None else wanted + residual
    assert relative_error(got, wanted.relu() if relu else wanted, weight[0].numel()) <= ALLOWED[tile]


@settings(max_examples=150)
@given(cases(), st.sampled_from([2, 4]), st.booleans(), st.booleans(), st.booleans())
def test_winograd_pooled_is_the_pooled_outputs_to_the_bit(case, tile, with_bias, relu, spoiled):
    x, weight, geometry = operands(case)
    assume(min(geometry.y_shape[2:]) > 1)
    if spoiled and x.numel():
        x.view(-1)[x.numel() // 2] = np.nan
    bias = torch.linspace(-9, 9, weight.shape[0]) if with_bias else None
    packed = packing.transformed(weight, tile)
    got = core.winograd_output(x, weight, geometry, tile, core.Epilogue(bias, relu=relu, pool=True), packed)
    whole = core.winograd_output(x, weight, geometry, tile, core.Epilogue(bias, relu=relu), packed)
    torch.testing.assert_close(got, max_pool2d(whole, 2), rtol=0, atol=0, equal_nan=True)


@settings(max_examples=100)
@given(cases(), st.sampled_from([2, 4]))
def test_weights_transformed_for_one_use_give_the_same_bits(case, tile):
    x, weight, geometry = operands(case)
    once, kept = (
        core.winograd_output(x, weight, geometry, tile, core.Epilogue(), packed)
        for packed in (None, packing.transformed(weight, tile))
    )
    assert once.equal(kept)
    g = torch.randn(geometry.y_shape, generator=torch.Generator().manual_seed(2))
    packed = packing.transformed(weight, tile, rotated=True)
    once, kept = (core.winograd_input_gradient(g, weight, geometry, tile, one) for one in (None, packed))
    assert once.equal(kept)


@settings(max_examples=150)
@given(cases(), st.sampled_from([2, 4]))
def test_winograds_gradients_are_those_of_the_convolution(case, tile):
    x, weight, geometry = operands(case)
    g = torch.randn(geometry.y_shape, generator=torch.Generator().manual_seed(2))
    got = core.winograd_input_gradient(g, weight, geometry, tile, None)
    wanted = methods.torch_input_gradient(g.double(), weight.double(), geometry)
    assert relative_error(got, wanted, 9 * weight.shape[0]) <= ALLOWED[tile]
    got = core.winograd_weight_gradient(x, g, geometry)
    wanted = methods.torch_weight_gradient(x.double(), g.double(), geometry)
    assert relative_error(got, wanted, g[:, 0].numel()) <= ALLOWED[4]


@pytest.mark.parametrize("onto", [False, True])
@pytest.mark.parametrize("shape", [(2, 70, 33, 9, 11), (1, 40, 600, 20, 17)])
def test_the_gradient_in_x_of_one_cell_is_such_a_layer(shape, onto, instruction_set):
    n, channels, filters, *size = shape
    weight, g = pictures(filters, channels, 1, 1), pictures(n, filters, *size, seed=1)
    geometry = conv_geometry((n, channels, *size), tuple(weight.shape), 1, 0, 1, 1)
    wanted = methods.torch_input_gradient(g.double(), weight.double(), geometry)
    before = core.in_order(pictures(n, channels, *size, seed=2)) if onto else None
    wanted = wanted + before if onto else wanted
    got = core.im2col_input_gradient(core.in_order(g), weight, geometry, packing.packed_adjoint(weight), before)
    assert relative_error(got, wanted, filters) <= ALLOWED[2]
    assert before is None or got.data_ptr() == before.data_ptr()


@pytest.mark.slow
@settings(max_examples=5000)
@given(cases(), st.sampled_from([2, 4]), st.booleans())
def test_winograd_and_its_gradients_on_thousands_of_shapes(case, tile, relu):
    output = test_winograd_with_everything_that_follows_it_is_the_convolution
    output.hypothesis.inner_test(case, tile, with_bias=True, with_residual=relu, relu=relu)
    test_winograds_gradients_are_those_of_the_convolution.hypothesis.inner_test(case, tile)


@st.composite
def im2col_cases(draw):
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation = (draw(st.sampled_from([(1, 1), (2, 2), (1, 2)])) for _ in range(2))
    padding = draw(st.sampled_from([0, 1, (2, 1), "full"]))
    least = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [draw(st.integers(low, low + 9)) for low in least]
    n, filters = draw(st.integers(0, 2)), draw(st.integers(1, 70))
    channels = draw(st.one_of(st.integers(1, 4), st.integers(1, 80)))  # first layers, which gather nothing, and others
    return (n, channels, *size), (filters, channels, *kernel), stride, padding, dilation, 1


@settings(max_examples=150)
@given(im2col_cases(), st.booleans(), st.booleans(), st.booleans())
def test_im2col_with_everything_that_follows_it_is_the_convolution(case, with_bias, with_residual, relu):
    x, weight, geometry = operands((conv_geometry(*case), torch.contiguous_format))
    bias = torch.linspace(-9, 9, weight.shape[0]) if with_bias else None
    residual = torch.randn(geometry.y_shape) * 9 if with_residual else None
    got = core.im2col_output(x, weight, geometry, core.Epilogue(bias, residual, relu), packing.packed(weight))
    wanted = in_double(x, weight, geometry)
    wanted = wanted if bias is None else wanted + bias[:, None, None]
    wanted = wanted if residual is None else wanted + residual
    assert relative_error(got, wanted.relu() if relu else wanted, weight[0].numel()) <= 2e-6


@settings(max_examples=150)
@given(im2col_cases(), st.booleans(), st.booleans(), st.booleans())
def test_a_filter_for_each_channel_with_everything_that_follows_is_the_convolution(case, with_bias, residual, relu):
    (n, channels, *size), (_, _, *kernel), *window, _ = case
    case = (n, channels, *size), (channels, 1, *kernel), *window, channels
    x, weight, geometry = operands((conv_geometry(*case), torch.contiguous_format))
    bias = torch.linspace(-9, 9, channels) if with_bias else None
    shortcut = torch.randn(geometry.y_shape) * 9 if residual else None
    got = core.depthwise_output(
        x, weight, geometry, core.Epilogue(bias, shortcut, relu), packing.packed_depthwise(weight)
    )
    wanted = in_double(x, weight, geometry)
    wanted = wanted if bias is None else wanted + bias[:, None, None]
    wanted = wanted if shortcut is None else wanted + shortcut
    assert relative_error(got, wanted.relu() if relu else wanted, weight[0].numel()) <= 2e-6


# Few channels and many tiles; many channels, more than one panel and chunk; filters that end inside a vector.
# The last has so many of both that the gradient is summed part by part.
SHAPES = [(2, 24, 33, 25, 40), (1, 160, 70, 30, 31), (1, 130, 35, 9, 9), (2, 200, 200, 13, 10)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_instruction_set_gives_the_convolution_and_its_gradients(instruction_set, shape):
    n, channels, filters, height, width = shape
    x, weight = pictures(n, channels, height, width), pictures(filters, channels, 3, 3, seed=1)
    geometry = conv_geometry(tuple(x.shape), tuple(weight.shape), 1, 1, 1, 1)
    g = pictures(*geometry.y_shape, seed=2)
    for tile in (2, 4):
        got = core.winograd_output(x, weight, geometry, tile, core.Epilogue(), packing.transformed(weight, tile))
        assert relative_error(got, in_double(x, weight, geometry)) <= ALLOWED[tile]
    got = core.im2col_output(x, weight, geometry, core.Epilogue(), packing.packed(weight))
    assert relative_error(got, in_double(x, weight, geometry)) <= ALLOWED[2]
    got = core.winograd_weight_gradient(x, g, geometry)
    assert relative_error(got, methods.torch_weight_gradient(x.double(), g.double(), geometry)) <= ALLOWED[4]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_number_of_threads_does_not_change_a_bit(shape):
    n, channels, filters, height, width = shape
    x, weight = pictures(n, channels, height, width), pictures(filters, channels, 3, 3, seed=1)
    geometry = conv_geometry(tuple(x.shape), tuple(weight.shape), 1, 1, 1, 1)
    before, results = _core.threads(), []
    for count in (1, 2, 4):
        _core.set_threads(count)
        y = core.winograd_output(x, weight, geometry, 4, core.Epilogue(), packing.transformed(weight.clone(), 4))
        grads = core.winograd_weight_gradient(x, y, geometry)
        results.append(
            (y, grads, core.im2col_output(x, weight, geometry, core.Epilogue(), packing.packed(weight.clone())))
        )
    _core.set_threads(before)
    for result in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(result, results[0], strict=True))


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_reaches_exactly_what_sees_it(mode, bad, request):
    if mode == "exact":
        request.getfixturevalue("exact")
    x, weight = pictures(1, 128, 40, 40), pictures(128, 128, 3, 3, seed=1)
    x[0, 3, 17, 18] = x[0, 5, 0, 39] = bad
    geometry = conv_geometry(tuple(x.shape), tuple(weight.shape), 1, 1, 1, 1)
    assert methods.choose(geometry, channels_last=False) == {"exact": "winograd2", "fast": "winograd4"}[mode]
    got, wanted = cl.layers.conv2d(x, weight, padding=1), conv2d(x, weight, padding=1)
    spoiled = ~wanted.isfinite()
    assert torch.equal(~got.isfinite(), spoiled)
    torch.testing.assert_close(got[spoiled], wanted[spoiled], equal_nan=True)
    if bad != 3e38:  # whose neighbours are rounded in units of 1e31, by torch too
        torch.testing.assert_close(got[~spoiled], wanted[~spoiled], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kernel", [1, 3])
def test_what_is_not_finite_in_a_strided_layer_reaches_what_sees_it(bad, kernel):
    x = pictures(1, 64, 9, 9).contiguous(memory_format=torch.channels_last)
    weight = pictures(64, 64, kernel, kernel, seed=1)
    (x if kernel == 1 else weight)[0, 3, 0, 0] = bad
    got, wanted = (f(x, weight, stride=2, padding=1) for f in (cl.layers.conv2d, conv2d))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-3, equal_nan=True)


def test_the_weights_that_saw_what_is_not_finite_are_those_of_torch():
    x, g, weight = pictures(1, 32, 40, 40), pictures(1, 32, 40, 40, seed=2), pictures(32, 32, 3, 3, seed=1)
    x[0, 3, 0, 18] = np.inf
    _, got, _ = cl.layers.conv2d_backward(x, weight, g, padding=1)
    wanted = torch.nn.grad.conv2d_weight(x, weight.shape, g, padding=1)
    assert torch.equal(got.isfinite(), wanted.isfinite())


def test_exact_errs_no_more_than_torch_and_fast_within_its_promise(exact):
    x, weight = pictures(1, 512, 14, 14), pictures(512, 512, 3, 3, seed=1) / 60
    wanted = conv2d(x.double(), weight.double(), padding=1)
    torchs = relative_error(conv2d(x, weight, padding=1), wanted)
    assert relative_error(cl.layers.conv2d(x, weight, padding=1), wanted) <= max(torchs, 5e-6)
    cl.precision("fast")
    x = pictures(1, 512, 16, 16)  # which tiles of 4 fill
    wanted = conv2d(x.double(), weight.double(), padding=1)
    assert 5e-6 < relative_error(cl.layers.conv2d(x, weight, padding=1), wanted) <= 5e-5


def test_a_result_comes_in_the_order_of_its_input():
    x, weight = pictures(1, 32, 40, 40), pictures(32, 32, 3, 3, seed=1)
    assert cl.layers.conv2d(x, weight, padding=1).is_contiguous()
    last = cl.layers.conv2d(x.contiguous(memory_format=torch.channels_last), weight, padding=1)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, cl.layers.conv2d(x, weight, padding=1))


def negate(numbers):
    np.negative(numbers, out=numbers)


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize("write", [
    lambda w: w.data.mul_(2), lambda w: w.detach().numpy().__imul__(2), lambda w: w.detach().view(-1)[5:6].add_(1),
    lambda w: negate(w.detach().numpy()), lambda w: negate(w.detach().numpy()[::2]),
    lambda w: negate(w.detach().numpy()[3:5]), lambda w: w.detach().numpy().__imul__(0.5),
    lambda w: w.detach().numpy().__setitem__(slice(None), w.detach().numpy()[::-1].copy()),
])  # fmt: skip
def test_weights_written_behind_torchs_back_are_noticed(write, size):
    weight, x = torch.nn.Parameter(pictures(size, size, 3, 3, seed=1)), pictures(1, size, 40, 40)
    weight.requires_grad_(False)
    cl.layers.conv2d(x, weight, padding=1)
    write(weight)
    torch.testing.assert_close(
        cl.layers.conv2d(x, weight, padding=1), conv2d(x, weight, padding=1), rtol=1e-4, atol=1e-2
    )


def test_transformed_weights_are_computed_once_and_die_with_the_weights():
    weight = pictures(32, 32, 3, 3)
    first = packing.transformed(weight, 4)
    assert packing.transformed(weight, 4) is first
    assert packing.transformed(weight, 4, rotated=True) is not first
    gone = weakref.ref(first)
    del weight, first
    gc.collect()
    assert gone() is None


def test_transformed_weights_that_lay_idle_for_ten_seconds_go_when_others_are_made(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(packing, "monotonic", lambda: clock.now)
    idle, used, new = (pictures(32, 32, 3, 3, seed=seed) for seed in range(3))
    gone = weakref.ref(packing.transformed(idle, 4))
    still = packing.transformed(used, 4)
    clock.now += 9
    assert packing.transformed(used, 4) is still
    assert gone() is not None
    clock.now += 2
    packing.transformed(new, 4)
    assert gone() is None
    assert packing.transformed(used, 4) is still


def test_two_hundred_networks_made_used_and_dropped_leave_no_memory_behind():
    x = pictures(1, 64, 16, 16)

    def make_use_and_drop(count):
        for _ in range(count):
            network = torch.nn.Sequential(cl.layers.Conv2d(64, 64, 3, padding=1), cl.layers.Conv2d(64, 64, 3))
            with torch.no_grad():
                network(x)

    make_use_and_drop(5)  # what is made once: code, plans, scratch
    before = resident()
    make_use_and_drop(200)
    assert resident() - before < 20e6  # the transformed weights of all of them are 236 MB


def test_a_fingerprint_changes_with_any_word_and_not_with_threads():
    words, seen = np.arange(70_001, dtype=np.float32), set()
    before = _core.threads()
    for count in (1, 2):
        _core.set_threads(count)
        seen.add(_core.fingerprint(words.ctypes.data, words.size))
    _core.set_threads(before)
    assert len(seen) == 1
    for at in (0, 1, 65_535, 65_536, 70_000):
        words[at] += 1
        seen.add(_core.fingerprint(words.ctypes.data, words.size))
    assert len(seen) == 6


@pytest.mark.bad_input
def test_a_precision_that_does_not_exist_is_refused():
    assert cl.precision() == "fast"
    with pytest.raises(cl.errors.ArgumentError, match="precision: need one of exact, fast, bfloat16, got 'faster'"):
        cl.precision("faster")


def test_a_forked_child_can_use_the_layers():
    code = (
        "import os, torch, convolens as cl\n"
        "torch.set_num_threads(1)  # libgomp does not survive a fork\n"
        "x, w = torch.ones(1, 32, 40, 40), torch.ones(32, 32, 3, 3)\n"
        "cl.layers.conv2d(x, w)\n"
        "if not os.fork():\n"
        "    os._exit(int(cl.layers.conv2d(x, w)[0, 0, 0, 0].item() != 288))\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120, env=os.environ)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch brings another OpenMP")
def test_the_core_runs_on_torchs_threads_but_not_in_a_forked_child():
    code = """
import os
import torch
import convolens as cl
from convolens import _core
cl.threads(2)
layer, x = cl.layers.Conv2d(64, 64, 3, padding=1).requires_grad_(False), torch.ones(1, 64, 60, 60)
torch.mm(torch.ones(900, 900), torch.ones(900, 900))  # torch's worker is there
before = len(os.listdir("/proc/self/task"))
wanted = layer(x)
print(len(os.listdir("/proc/self/task")) - before)
child = os.fork()
if not child:
    torch.set_num_threads(1)  # its OpenMP does not survive a fork
    os._exit(0 if torch.equal(layer(x), wanted) else 1)
print(os.waitpid(child, 0)[1])
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.split() == ["0", "0"], done.stderr
