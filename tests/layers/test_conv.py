import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

import convolens as cl
from convolens.errors import ArgumentError, ConvolensError, DtypeError, ShapeError
from convolens.layers import trilinear
from convolens.layers.geometry import conv_geometry

sys.path.insert(0, str(Path(__file__).parent))
from reference import convolution

# The oracle warns, once a process, that it copies its input to pad one side more than the other.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

conv2d, conv2d_backward = cl.layers.conv2d, cl.layers.conv2d_backward


@st.composite
def cases(draw):
    """Arguments of a convolution that can be done, from one pixel to a few hundred multiplications a place."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    per_group, filters = draw(st.integers(1, 6)), groups * draw(st.integers(1, 5))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    kernel = draw(st.sampled_from([kernel, (3, 3), (3, 3), (1, 1)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 3)]))
    padding = draw(st.sampled_from([0, 1, 1, (2, 1), "same", "valid", "full"]))
    stride = (1, 1) if padding == "same" else draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    least = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [draw(st.integers(low, low + 13)) for low in least]
    shape = (draw(st.integers(0, 3)), per_group * groups, *size)
    layout = draw(st.sampled_from(["contiguous", "channels last", "every other column", "turned"]))
    return {
        "x_shape": shape, "weight_shape": (filters, per_group, *kernel), "stride": stride, "padding": padding,
        "dilation": dilation, "groups": groups, "layout": layout, "bias": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**16)),
    }  # fmt: skip


def laid_out(x, layout):
    if layout == "channels last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "every other column":
        return torch.stack([x, torch.full_like(x, torch.nan)], -1)[..., 0]
    if layout == "turned":
        return x.transpose(2, 3).contiguous().transpose(2, 3)
    return x


def tensors(case, dtype=torch.float32):
    g = torch.Generator().manual_seed(case["seed"])
    x = laid_out(torch.randn(case["x_shape"], generator=g, dtype=dtype), case["layout"])
    weight = torch.randn(case["weight_shape"], generator=g, dtype=dtype)
    bias = torch.randn(case["weight_shape"][0], generator=g, dtype=dtype) if case["bias"] else None
    arguments = {name: case[name] for name in ("stride", "padding", "dilation", "groups")}
    return x, weight, bias, arguments


def torch_padding(case):
    """`padding` in torch's words, which have no "full"."""
    if case["padding"] != "full":
        return case["padding"]
    return tuple(d * (k - 1) for k, d in zip(case["weight_shape"][2:], case["dilation"], strict=True))


def assert_close(got, wanted, relative=2e-5, terms=1):
    """Within a share of the largest number, or of a sum of so many unit normal products where that is larger."""
    assert tuple(got.shape) == tuple(wanted.shape)
    if wanted.numel():
        error = (got.double() - wanted.double()).abs().max().item()
        assert error <= relative * max(wanted.double().abs().max().item(), terms**0.5)


def check_against_torch(case):
    x, weight, bias, arguments = tensors(case)
    exact = [None if t is None else t.double().requires_grad_() for t in (x, weight, bias)]
    wanted = torch.nn.functional.conv2d(*exact, **{**arguments, "padding": torch_padding(case)})
    ours = [None if t is None else t.clone().requires_grad_() for t in (x, weight, bias)]
    got = conv2d(*ours, **arguments)
    assert_close(got, wanted, terms=weight[0].numel())
    upstream = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    got.backward(upstream)
    wanted.backward(upstream.double())
    explicit = conv2d_backward(x, weight, upstream, **arguments)
    for mine, written, theirs in zip(ours, explicit, exact, strict=True):
        if mine is not None:
            terms = weight[:, 0].numel() if mine is ours[0] else upstream[:, 0].numel()
            assert_close(mine.grad, theirs.grad, terms=terms)
            assert_close(written, theirs.grad, terms=terms)


@settings(max_examples=300)
@given(cases())
def test_output_and_gradients_are_those_of_torch_in_float64(case):
    check_against_torch(case)


def test_a_dilation_of_one_cell_means_nothing():
    x = torch.randn(3, 12, 5, 2).contiguous(memory_format=torch.channels_last)  # torch crashes on the first
    weight = torch.randn(2, 6, 1, 1)
    dilated, plain = (conv2d(x, weight, None, (1, 3), 1, dilation, 2) for dilation in ((2, 3), 1))
    torch.testing.assert_close(dilated, plain)


@pytest.mark.slow
@settings(max_examples=5000)
@given(cases())
def test_output_and_gradients_are_those_of_torch_in_float64_on_thousands_of_shapes(case):
    check_against_torch(case)


@pytest.mark.parametrize(
    ("padding", "stride", "dilation", "groups", "before", "after"),
    [
        (0, 1, 1, 1, (0, 0), (0, 0)),
        ((1, 2), 2, 1, 2, (1, 2), (1, 2)),
        ("same", 1, (2, 1), 1, (2, 1), (2, 2)),
        ("full", 1, 1, 2, (2, 3), (2, 3)),
        ("valid", (2, 1), 1, 1, (0, 0), (0, 0)),
    ],
)
def test_a_layer_of_numpy_arrays_is_its_definition(padding, stride, dilation, groups, before, after):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(2, 4, 8, 9)), rng.normal(size=(6, 4 // groups, 3, 4)), rng.normal(size=6)
    y = conv2d(x, weight, bias, stride, padding, dilation, groups)
    both = [(v, v) if isinstance(v, int) else v for v in (stride, dilation)]
    assert isinstance(y, np.ndarray)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, convolution(x, weight, bias, both[0], before, after, both[1], groups), atol=1e-12)


@settings(max_examples=25)
@given(cases())
def test_gradients_agree_with_central_differences_and_can_be_differentiated_again(case):
    case = {**case, "x_shape": (1, *case["x_shape"][1:])}
    x, weight, bias, arguments = tensors(case, torch.float64)
    leaves = [t.detach().clone().requires_grad_() for t in (x, weight, bias) if t is not None]
    geometry = conv_geometry(case["x_shape"], case["weight_shape"], **arguments)
    public = lambda x, weight, bias=None: conv2d(x, weight, bias, **arguments)  # noqa: E731
    written_out = lambda x, weight, bias=None: trilinear._Output.apply(x, weight, bias, "torch", True, geometry)  # noqa: E731
    for apply in (public, written_out):
        torch.autograd.gradcheck(apply, leaves, fast_mode=True)
        torch.autograd.gradgradcheck(apply, leaves, fast_mode=True)


@settings(max_examples=50)
@given(cases())
def test_gradients_are_adjoints(case):
    x, weight, _, arguments = tensors(case, torch.float64)
    y = conv2d(x, weight, **arguments)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    grad_x, grad_weight, _ = conv2d_backward(x, weight, upstream, **arguments)
    form = (upstream * y).sum()
    torch.testing.assert_close((grad_x * x).sum(), form, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close((grad_weight * weight).sum(), form, rtol=1e-9, atol=1e-9)


def test_gradients_of_numpy_arrays_are_numpy_arrays_of_their_shapes():
    x, weight = np.ones((3, 5, 6), np.float32), np.ones((4, 3, 3, 3), np.float32)
    grads = conv2d_backward(x, weight, np.ones((4, 3, 4), np.float32))
    assert [g.shape for g in grads] == [x.shape, weight.shape, (4,)]
    assert all(isinstance(g, np.ndarray) and g.dtype == np.float32 for g in grads)
    assert grads[2].tolist() == [12.0] * 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_floating_dtypes_stay_what_they_are(dtype):
    x, weight = torch.ones(1, 2, 5, 5, dtype=dtype), torch.ones(3, 2, 3, 3, dtype=dtype)
    y = conv2d(x, weight, padding=1)
    assert y.dtype == dtype
    assert y[0, 0, 2, 2].item() == 18


def test_an_array_torch_cannot_share_is_copied():
    backwards = np.arange(25, dtype=np.float32).reshape(1, 5, 5)[:, ::-1]
    fixed = np.ones((1, 1, 1, 1), ">f4")
    fixed.flags.writeable = False
    np.testing.assert_array_equal(conv2d(backwards, fixed), backwards)


def test_autocast_computes_in_the_lower_precision_as_in_torch():
    layer, x = cl.layers.Conv2d(2, 3, 3), torch.ones(1, 2, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


X, W = torch.zeros(1, 4, 5, 5), torch.zeros(6, 4, 3, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"groups": 3}, ShapeError, "groups: need a divisor of 4 channels and 6 filters, got 3"),
        ({"groups": 0}, ArgumentError, "groups: need a whole number of at least 1, got 0"),
        ({"weight": torch.zeros(6, 3, 3, 3)}, ShapeError, r"weight: need \(filters, 4, rows, columns\) for 4 channels"),
        ({"weight": torch.zeros(6, 4, 7, 3)}, ShapeError, "no larger than the padded input, got 7 over 5 rows"),
        ({"dilation": (1, 3)}, ShapeError, "no larger than the padded input, got 7 over 5 columns"),
        ({"padding": -1}, ArgumentError, "padding: need a whole number of at least 0, or a pair of them, got -1"),
        ({"padding": 0.5}, ArgumentError, "padding: need a whole number of at least 0, or a pair of them, got 0.5"),
        ({"padding": "sane"}, ArgumentError, "'same', 'valid', 'full', got 'sane'"),
        ({"padding": "same", "stride": 2}, ArgumentError, r"padding 'same': need stride 1, got \(2, 2\); give"),
        ({"stride": 1.5}, ArgumentError, "stride: need a whole number of at least 1, or a pair of them, got 1.5"),
        ({"stride": (1, 2, 3)}, ArgumentError, r"stride: need a whole number .* got \(1, 2, 3\)"),
        ({"dilation": 0}, ArgumentError, "dilation: need a whole number of at least 1, or a pair of them, got 0"),
        ({"x": torch.zeros(4, 5)}, ShapeError, r"x: need \(batch, channels, height, width\) .* got shape \(4, 5\)"),
        ({"x": torch.zeros(1, 4, 0, 5)}, ShapeError, "x and weight: need no empty axis but the batch"),
        ({"weight": torch.zeros(6, 4, 3)}, ShapeError, r"weight: need \(filters, .* got shape \(6, 4, 3\)"),
        ({"bias": torch.zeros(5)}, ShapeError, r"bias: need one number a filter \(6,\), got shape \(5,\)"),
        ({"x": X.long()}, DtypeError, "x: need floating-point numbers, got torch.int64"),
        ({"x": X.double()}, DtypeError, "weight: need x's dtype torch.float64, got torch.float32"),
        ({"x": np.array(["a"])}, DtypeError, "x: need numbers, got dtype"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        conv2d(**{"x": X, "weight": W, **arguments})
    assert isinstance(caught.value, ConvolensError)
    assert "\n" not in str(caught.value)


@pytest.mark.bad_input
def test_an_upstream_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"upstream: need the result's shape \(1, 6, 3, 3\), got \(1, 6, 3, 4\)"):
        conv2d_backward(X, W, torch.zeros(1, 6, 3, 4))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 5, "groups": 2}, ShapeError, "in_channels: need a multiple of the 2 groups, got 5"),
        ({"padding": -1}, ArgumentError, "padding: need a whole number of at least 0"),
        ({"kernel_size": 2.5}, ArgumentError, "kernel_size: need a whole number of at least 1"),
        ({"padding_mode": "mirror"}, ArgumentError, "padding_mode: need one of zeros, reflect.*got 'mirror'"),
    ],
)
def test_a_layer_that_cannot_be_is_refused_when_it_is_made(arguments, error, message):
    with pytest.raises(error, match=message):
        cl.layers.Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **arguments})


MODULES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (1, 3), "stride": 2, "bias": False},
    {"kernel_size": 3, "padding": "same", "dilation": 2, "groups": 2},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": 3, "padding": 2, "padding_mode": "reflect"},
    {"kernel_size": 3, "padding": (0, 1), "padding_mode": "circular", "groups": 4},
    {"kernel_size": 3, "padding": "same", "padding_mode": "replicate"},
]


@pytest.mark.parametrize("arguments", MODULES)
def test_the_module_is_a_drop_in_for_torchs(arguments):
    theirs, ours = torch.nn.Conv2d(4, 8, **arguments), cl.layers.Conv2d(4, 8, **arguments)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 4, 9, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x))
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        torch.testing.assert_close(twin(x), theirs(x))


def test_the_module_pads_fully():
    layer = cl.layers.Conv2d(1, 1, (2, 3), padding="full", dilation=(1, 2))
    assert layer(torch.zeros(1, 1, 4, 4)).shape == (1, 1, 5, 8)


COMPILERS = """
import torch, convolens as cl
from torch.fx.experimental.proxy_tensor import make_fx
layer, pool = cl.layers.Conv2d(3, 4, 3, padding=1), cl.layers.MaxPool2d(2)
net, x = torch.nn.Sequential(layer, pool), torch.randn(1, 3, 6, 6)
wanted = net(x)
exported = torch.export.export(net, (x,))
targets = " ".join(str(node.target) for node in exported.graph.nodes)
assert "aten.conv2d" in targets and "aten.max_pool2d" in targets, targets
torch.testing.assert_close(exported.module()(x), wanted)
compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
torch.testing.assert_close(compiled(x), wanted)
traced = torch.fx.symbolic_trace(net)
torch.testing.assert_close(traced(x), wanted)
trunk = cl.trunk("vgg11")
class Tap(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = trunk
    def forward(self, x):
        return self.trunk(x, taps="conv4_1")["conv4_1"]
for net in (cl.layers.Conv2d(32, 64, 3), Tap()):
    for learning in (True, False):
        net.requires_grad_(learning)
        with torch.set_grad_enabled(learning):
            x, other = torch.randn(2, 1, 3 if isinstance(net, Tap) else 32, 64, 64)
            for traced in torch.jit.trace(net, x, check_trace=False), make_fx(net)(x):
                torch.testing.assert_close(traced(other), net(other), rtol=1e-3, atol=1e-3)
"""


def test_compiling_exporting_and_tracing_see_torchs_own_operators():
    # In a process of its own: the annotations checked in this one are not torch's to trace.
    done = subprocess.run([sys.executable, "-c", COMPILERS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shape", [(6, 4, 5), (32, 32, 40)])  # by torch, by the core
def test_a_function_transform_differentiates_it(shape):
    filters, channels, size = shape
    weight, x = torch.zeros(filters, channels, 3, 3), torch.ones(1, channels, size, size)
    grad = torch.func.grad(lambda w: conv2d(x, w).sum())(weight)
    torch.testing.assert_close(grad, torch.full_like(weight, (size - 2) ** 2))


def test_the_cores_gradients_can_be_differentiated_again():
    rng = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, 32, 40, 40, generator=rng), torch.randn(32, 32, 3, 3, generator=rng)
    results = []
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype).requires_grad_() for t in (x, weight)]
        first = torch.autograd.grad(conv2d(*leaves, padding=1).square().sum(), leaves, create_graph=True)
        results.append(torch.autograd.grad(sum(g.square().mean() for g in first), leaves))
    for got, wanted in zip(*results, strict=True):
        assert_close(got, wanted, relative=1e-4)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_function_mode_sees_torchs_own_operator(trainable):
    seen = []

    class Looking(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), options=None):
            seen.append(function)
            return function(*arguments, **(options or {}))

    layer, x = cl.layers.Conv2d(64, 32, 3).requires_grad_(trainable), torch.randn(1, 64, 9, 9)
    with Looking():
        layer(x)
    assert torch.conv2d in seen


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "change", ["list", "another list", "no size", "filters", "bias", "bias dtype", "complex64", "int64"]
)
def test_a_small_layer_left_to_torch_treats_what_is_odd_as_a_large_one_does(change):
    layer, x = cl.layers.Conv2d(3, 8, 3).requires_grad_(False), torch.ones(1, 3, 9, 9)
    match change:
        case "list" | "another list":
            layer.stride = [2, 2] if change == "list" else type("Another", (list,), {})([2, 2])
            assert layer(x).shape == (1, 8, 4, 4)
            return
        case "no size":
            layer.padding = {}
        case "filters":
            layer.weight = torch.nn.Parameter(torch.zeros(8, 3, 3))
        case "bias":
            layer.bias = torch.nn.Parameter(torch.zeros(7))
        case "bias dtype":
            layer.bias = torch.nn.Parameter(torch.zeros(8, dtype=torch.float64))
        case "complex64" | "int64":
            dtype = getattr(torch, change)
            layer.weight, x = torch.nn.Parameter(layer.weight.to(dtype), requires_grad=False), x.to(dtype)
            layer.bias = torch.nn.Parameter(layer.bias.to(dtype), requires_grad=False)
    with pytest.raises((ArgumentError, ShapeError, DtypeError), match="need"):
        layer(x)


@pytest.mark.parametrize("which", ["x", "weight", "bias"])
def test_signs_that_torch_keeps_apart_are_not_lost(which):
    x = torch.randn(2, 16, 9, 11).contiguous(memory_format=torch.channels_last)
    tensors = {"x": x, "weight": torch.randn(32, 16, 3, 3), "bias": torch.randn(32)}
    tensors[which] = tensors[which]._neg_view()
    plain = {name: one.resolve_neg().double() for name, one in tensors.items()}
    assert_close(conv2d(*tensors.values()), torch.conv2d(*plain.values()), relative=1e-4)


def test_a_function_transform_over_the_bias_alone():
    layer, x = cl.layers.Conv2d(16, 32, 3).requires_grad_(False), torch.randn(1, 16, 9, 11)
    found = torch.vmap(lambda bias: torch.func.functional_call(layer, {"bias": bias}, (x,)))(torch.zeros(2, 32))
    assert_close(found[1], torch.conv2d(x, layer.weight).double(), relative=1e-4)


def test_its_errors_name_plain_shapes_as_a_large_ones_do():
    with pytest.raises(ShapeError, match=r"got \(8, 4, 3, 3\)$"):
        cl.layers.Conv2d(4, 8, 3)(torch.ones(1, 3, 9, 9))


def test_padding_on_one_side_does_not_warn():
    layer, x = cl.layers.Conv2d(3, 8, 4, padding="same"), torch.ones(1, 3, 9, 9)
    torch.set_warn_always(True)  # torch warns once a process, and this file ignores it where torch's own layer is meant
    try:
        with warnings.catch_warnings(action="error"):
            assert layer(x).shape == (1, 8, 9, 9)
    finally:
        torch.set_warn_always(False)


def test_a_gradient_in_weights_of_one_place_has_the_weights_strides_whatever_those_of_the_maps():
    layer = cl.layers.Conv2d(256, 512, 1, stride=2, bias=False)
    x = torch.randn(32, 256, 8, 8).contiguous(memory_format=torch.channels_last)
    layer(x).square().sum().backward()
    assert layer.weight.grad.stride() == layer.weight.stride() == (256, 1, 1, 1)
