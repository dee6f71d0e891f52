import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import convolens as cl
from convolens.layers import core
from convolens.layers.fusion.chains import Chain
from convolens.layers.fusion.fused import Fused
from convolens.layers.fusion.kept import Convolution


def settled(model, seed=0):
    """The model in evaluation mode, with norms that do something."""
    torch.manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
    return model.eval()


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1, *, turned=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = cl.layers.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        changes = stride > 1 or inputs != outputs
        projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(*projection) if changes else nn.Identity()
        self.relu, self.turned = nn.ReLU(inplace=True), turned

    def forward(self, x):
        shortcut = self.shortcut(x) if self.turned else None
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += shortcut if self.turned else self.shortcut(x)
        return self.relu(y)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        Residual(64, 64), Residual(64, 96, 2), Residual(96, 96, turned=True), Residual(96, 64, turned=True),
        nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def picture(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_fused_network_is_the_network_again_and_again(order):
    model, x = settled(network()), picture(2, 3, 97, 81).contiguous(memory_format=order)
    fused = cl.fuse(model)
    with torch.no_grad():
        wanted = model(x)
    for _ in range(3):  # the second call takes its maps from the first one's buffers
        torch.testing.assert_close(fused(x), wanted, rtol=1e-4, atol=1e-4)


def test_norms_sums_and_relus_disappear_into_the_convolutions():
    fused = cl.fuse(settled(network()))
    assert isinstance(fused, Fused)
    kinds = [type(fused.layers.get_submodule(n.target)) for n in fused.layers.graph.nodes if n.op == "call_module"]
    assert kinds.count(Convolution) == 1 + 2 + 3 + 2 + 3
    assert nn.BatchNorm2d not in kinds
    assert nn.ReLU not in kinds
    assert not [n for n in fused.layers.graph.nodes if n.op == "call_function"]


@pytest.mark.parametrize("size", [(40, 52), (41, 53)])
def test_pooling_by_two_is_done_where_the_outputs_are_made(monkeypatch, size):
    layers = [nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(128, 40, 1), nn.MaxPool2d(2, 2)]
    model = settled(nn.Sequential(*layers))
    fused, x = cl.fuse(model), picture(2, 128, *size)
    kinds = [type(fused.layers.get_submodule(n.target)) for n in fused.layers.graph.nodes if n.op == "call_module"]
    assert set(kinds) == {Convolution}
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-4)
    pools, pool = [], core.pool
    monkeypatch.setattr(core, "pool", lambda *args, **kwargs: pools.append(args) or pool(*args, **kwargs))
    cl.fuse(model)(x)  # the first call of a size comes by
    assert len(pools) == 1  # behind 1×1, which is no Winograd


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(3, 2), nn.MaxPool2d(2, 1),
                                  nn.MaxPool2d(2, padding=1)])  # fmt: skip
def test_other_pooling_stays_a_layer(pool):
    model, x = settled(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), pool)), picture(1, 32, 41, 53)
    with torch.no_grad():
        torch.testing.assert_close(cl.fuse(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_results_do_not_share_the_networks_buffers():
    model = settled(nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)))
    fused, a, b = cl.fuse(model), picture(1, 64, 40, 40), picture(1, 64, 40, 40, seed=2)
    first = fused(a)
    kept = first.clone()
    fused(b)
    assert torch.equal(first, kept)
    last = fused(a.contiguous(memory_format=torch.channels_last))
    kept = last.clone()
    fused(b.contiguous(memory_format=torch.channels_last))
    assert torch.equal(last, kept)


def test_a_value_used_twice_is_not_fused_away():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.next = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 1)

        def forward(self, x):
            before = self.conv(x)
            return before, self.next(torch.relu(before)) + before.mean((2, 3), keepdim=True), before.flatten(1)

    model, x = Twice().eval(), picture(1, 64, 40, 40)
    with torch.no_grad():
        for got, wanted in zip(cl.fuse(model)(x), model(x), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_the_model_itself_does_not_change_and_later_writes_do_not_reach_the_copy():
    model, x = settled(network()), picture(1, 3, 64, 64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fused = cl.fuse(model)
    wanted = fused(x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model[0].weight.data.zero_()
    assert torch.equal(fused(x), wanted)


def test_what_a_network_gives_keeps_its_form_and_its_inputs_order():
    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 64, 3, padding=1)

        def forward(self, x):
            y = self.convolution(x)
            return {"all": [y, (y * 2, y.mean())]}

    model, x = Many().eval(), picture(1, 3, 40, 40)
    with torch.no_grad():
        (first, (second, mean)), true = cl.fuse(model)(x=x)["all"], model(x)["all"][0]
    assert first.is_contiguous() and second.is_contiguous()
    torch.testing.assert_close(first, true, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(second, true * 2, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mean, true.mean(), rtol=1e-4, atol=1e-4)


def test_a_forward_that_cannot_be_traced_has_its_parts_fused():
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())

        def forward(self, x):
            return self.block(x if x.sum() > 0 else -x)

    model, x = settled(Choosing()), picture(1, 3, 9, 9)
    fused = cl.fuse(model)
    assert isinstance(fused.block, Fused)
    torch.testing.assert_close(fused(x), model(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_fused_network_can_be_copied_pickled_and_called_from_threads():
    model, x = settled(network()), picture(1, 3, 64, 64)
    fused = cl.fuse(model)
    wanted = fused(x)
    assert torch.equal(copy.deepcopy(fused)(x), wanted)
    assert torch.equal(pickle.loads(pickle.dumps(fused))(x), wanted)
    results = [None] * 4

    def work(slot):
        results[slot] = [fused(x) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(y, wanted) for ys in results for y in ys)


def test_fused_layers_follow_the_precision_in_force():
    model = nn.Sequential(nn.Conv2d(256, 64, 3, padding=1), nn.ReLU()).eval()
    fused, x = cl.fuse(model), picture(1, 256, 40, 40)
    fast = fused(x)
    cl.precision("exact")
    exact = fused(x)
    cl.precision("fast")
    wanted = model.double()(x.double()).detach()
    errors = [((y - wanted).abs().max() / wanted.max()).item() for y in (exact, fast)]
    assert errors[0] <= 2e-6 < errors[1] <= 2e-5


@pytest.mark.bad_input
def test_other_dtypes_are_refused():
    with pytest.raises(
        cl.errors.DtypeError, match=r"0.weight: need float32 on the CPU to fuse, got torch.float64 on cpu"
    ):
        cl.fuse(nn.Sequential(nn.Conv2d(3, 8, 3)).double())


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_filter_for_each_channel_runs_in_the_core_with_what_follows_it(size, stride):
    layer = nn.Conv2d(40, 40, size, stride, size // 2, groups=40, bias=False)
    model, x = settled(nn.Sequential(layer, nn.BatchNorm2d(40), nn.ReLU())), picture(2, 40, 19, 17)
    fused = cl.fuse(model)
    (convolution,) = (m for m in fused.modules() if isinstance(m, Convolution))
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-4)
    ((method, _),) = convolution._packed
    assert method == "depthwise"


def test_a_sum_is_written_over_a_shortcut_only_where_nothing_sees_that_again():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = (nn.Conv2d(64, 64, 3, padding=1) for _ in range(3))

        def forward(self, x):
            a = self.first(x)
            b = self.second(a) + a  # the last to read a, but as its input too
            c = self.third(b)
            view = c.flatten(2)
            d = self.first(b) + c  # the last to read c, of which a view lives on
            e = self.second(d)
            return self.third(e) + d, self.first(e) + d, view  # d is read once more

    model, x = Sums().eval(), picture(1, 64, 50, 50)
    fused = cl.fuse(model)
    with torch.no_grad():
        for got, wanted in zip(fused(x), model(x), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_shortcut_that_nothing_else_reads_gives_its_memory_to_the_sum(monkeypatch):
    taken = []
    pooled_memory = core.pooled_memory
    monkeypatch.setattr(core, "pooled_memory", lambda shape: taken.append(shape) or pooled_memory(shape))
    cl.fuse(settled(nn.Sequential(nn.Conv2d(3, 64, 3), Residual(64, 64))))(picture(1, 3, 30, 30))
    assert taken.count((1, 64, 28, 28)) == 2  # of three convolutions


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_convolution_that_repeats_its_edge_runs_in_the_core_too(kernel, monkeypatch):
    layer = nn.Conv2d(32, 40, kernel, padding=1, padding_mode="replicate")
    model, x = settled(nn.Sequential(layer, nn.BatchNorm2d(40), nn.ReLU())), picture(2, 32, 41, 33)
    with torch.no_grad():
        wanted = model(x)
    monkeypatch.setattr(Convolution, "_by_layers", None)
    torch.testing.assert_close(cl.fuse(model)(x), wanted, rtol=1e-4, atol=1e-4)


class Twice(cl.layers.Conv2d):
    def forward(self, value):
        return 2 * super().forward(value)


def hooked(layer):
    layer.register_forward_hook(lambda *args: 2 * args[-1])
    return layer


SPECIAL = {
    "derived": lambda: [Twice(3, 40, 3), nn.BatchNorm2d(40), nn.ReLU()],
    "hooked": lambda: [hooked(cl.layers.Conv2d(3, 40, 3)), nn.BatchNorm2d(40), nn.ReLU()],
    "hooked norm": lambda: [cl.layers.Conv2d(3, 40, 3), hooked(nn.BatchNorm2d(40)), nn.ReLU()],
    "hooked ReLU": lambda: [cl.layers.Conv2d(3, 40, 3), hooked(nn.ReLU()), nn.MaxPool2d(2)],
    "hooked pool": lambda: [cl.layers.Conv2d(3, 40, 3), nn.ReLU(), hooked(nn.MaxPool2d(2))],
    "computed": lambda: [nn.utils.parametrizations.weight_norm(cl.layers.Conv2d(3, 40, 3)), nn.BatchNorm2d(40)],
}


@pytest.mark.parametrize("special", SPECIAL)
def test_layers_with_more_to_them_are_called_as_they_are(special):
    model, x = settled(nn.Sequential(*SPECIAL[special]())), picture(1, 3, 20, 21)
    with torch.no_grad():
        torch.testing.assert_close(cl.fuse(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_a_derived_layer_of_a_part_that_cannot_be_traced_is_called_as_it_is():
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = Twice(3, 40, 3)

        def forward(self, x):
            return self.convolution(x if x.sum() > 0 else -x)

    model, x = Choosing().eval(), picture(1, 3, 9, 9)
    torch.testing.assert_close(cl.fuse(model)(x), model(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_sum_with_another_dtype_is_torchs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 40, 3)

        def forward(self, x, shortcut):
            return self.convolution(x) + shortcut

    model, x, shortcut = Sum().eval(), picture(1, 3, 20, 20), picture(1, 40, 18, 18).double()
    with torch.no_grad():
        got, wanted = cl.fuse(model)(x, shortcut), model(x, shortcut)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


class _SumInPlace(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.first, self.second, self.how = nn.Conv2d(32, 32, 1), nn.Conv2d(32, 32, 3, padding=1), how

    def forward(self, x):
        kept = self.first(x)
        also = kept.view(-1, 32, *x.shape[2:]) if self.how == "view" else kept
        if self.how == "iadd":
            kept += self.second(x)
        else:
            kept.add_(self.second(x))
        return also.relu()


@pytest.mark.parametrize("how", ["add_", "iadd", "view"])
def test_a_sum_over_another_map_stays_where_it_is(how):
    model, x = settled(_SumInPlace(how)), picture(1, 32, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(cl.fuse(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_a_fused_network_of_another_dtype_or_new_weights_is_as_its_layers_are():
    model, x = settled(nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())), picture(1, 64, 24, 24)
    fused = cl.fuse(model)
    with torch.no_grad():
        fused(x)
        with pytest.raises(RuntimeError):
            fused.double()(x)
        torch.testing.assert_close(fused(x.double()), model.double()(x.double()), rtol=1e-5, atol=1e-5)
        fused.float()(x)
        fused.load_state_dict({name: torch.zeros_like(value) for name, value in fused.state_dict().items()})
        assert not fused(x).any()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_traced_fused_network_keeps_results_apart():
    model, x = settled(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())), picture(1, 32, 24, 24)
    traced = torch.jit.trace(cl.fuse(model), x, check_trace=False)  # which compares to the rounding
    first = traced(x)
    kept = first.clone()
    traced(2 * x)
    assert torch.equal(first, kept)
    assert traced(x[:, :, :13]).shape == (1, 32, 13, 24)


def test_a_bias_of_another_length_is_refused_as_by_the_layer():
    layers = [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    layers[0].bias = nn.Parameter(torch.zeros(1))
    assert not Chain(layers).runs_on(picture(1, 32, 8, 8))
    assert not Chain([nn.Conv2d(32, 32, 3), nn.ReLU()]).runs_on(picture(1, 32, 8, 8)[0])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_forward_mode_keeps_its_tangent():
    layer, x = cl.layers.Conv2d(64, 64, 3).requires_grad_(False), picture(1, 64, 24, 24)
    with forward_ad.dual_level():
        y = layer(forward_ad.make_dual(x, torch.ones_like(x)))
        tangent = forward_ad.unpack_dual(y).tangent
    assert tangent is not None
    torch.testing.assert_close(tangent, nn.functional.conv2d(torch.ones_like(x), layer.weight), rtol=1e-4, atol=1e-4)
