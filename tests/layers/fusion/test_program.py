"""What a fused network begins with, repeated by one call of the core: to the bit what its layers give one by one."""

import copy
import pickle
import threading
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import ShapeError
from convolens.layers import core
from convolens.layers.fusion.kept import Convolution
from convolens.layers.fusion.row import Row
from tests.layers.fusion.test_traced import network, picture, settled


class Apart:
    """Stands for a row that is not worth it: the layers are called one by one."""

    is_worth_it = False

    def is_of(self, layers):
        return True


def by_layers(fused, x):
    row, fused._row = fused._row, Apart()
    try:
        return fused(x)
    finally:
        fused._row = row


@pytest.fixture
def fused():
    return cl.fuse(settled(network()))


@pytest.fixture
def python_calls(monkeypatch):
    """Kernels that are called from Python, one by one."""
    calls, call = [], core._call
    monkeypatch.setattr(core, "_call", lambda *arguments: calls.append(arguments[0]) or call(*arguments))
    return calls


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_second_call_is_the_cores_alone_and_gives_the_same_bits(fused, python_calls, order):
    for shape in ((2, 3, 65, 81), (1, 3, 33, 40), (2, 3, 65, 81)):
        x = picture(*shape).contiguous(memory_format=order)
        first = fused(x)
        python_calls.clear()
        again = fused(x)
        assert not python_calls
        assert torch.equal(first, again)
        assert torch.equal(by_layers(fused, x), again)
        assert python_calls


def test_other_numbers_of_the_same_size_are_seen(fused):
    fused(picture(1, 3, 40, 40))
    x = picture(1, 3, 40, 40, seed=2)
    assert torch.equal(fused(x), by_layers(fused, x))


class TwoMaps(nn.Module):
    """Gives maps from inside the row too, and one through what no kernel of the core does."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(c, 40, 3, padding=1) for c in (3, 40, 40))
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, x):
        early = torch.relu(self.first(x))
        later = torch.relu(self.second(self.pool(early)) + self.pool(early))
        return {"early": early, "twice": [later, later * 2], "late": self.third(torch.tanh(later))}


def test_maps_that_are_wanted_later_are_results_of_their_own():
    model = settled(TwoMaps())
    fused, x = cl.fuse(model), picture(1, 3, 30, 34)
    with torch.no_grad():
        wanted = model(x)
    kept = [fused(x) for _ in range(3)]
    for found in kept:
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    kept[0]["early"].zero_()
    torch.testing.assert_close(fused(x), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(kept[1], wanted, rtol=1e-4, atol=1e-4)


def test_weights_that_were_replaced_are_the_ones_used(fused):
    x, others = picture(1, 3, 40, 40), cl.fuse(settled(network(), seed=5))
    fused(x), fused(x)
    fused.load_state_dict(others.state_dict())
    for _ in range(2):
        assert torch.equal(fused(x), others(x))
    assert fused.double()(x.double()).dtype == torch.float64
    fused.float()
    torch.testing.assert_close(fused(x), others(x), rtol=1e-4, atol=1e-4)


def test_weights_that_were_moved_are_read_where_they_are(fused):
    x = picture(1, 3, 40, 40)
    wanted = fused(x)
    fused(x)
    moves = (
        lambda: [one.share_memory_() for one in fused.parameters()],
        lambda: torch.nn.utils.vector_to_parameters(
            torch.nn.utils.parameters_to_vector(fused.parameters()), fused.parameters()
        ),
        lambda: ForkingPickler.dumps(fused),
    )
    for move in moves:
        move()
        for _ in range(2):
            assert torch.equal(fused(x), wanted)


def test_what_comes_after_the_row_is_what_stands_there_now():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.row = nn.Sequential(nn.Conv2d(3, 40, 3), nn.ReLU(), nn.Conv2d(40, 4, 1))
            self.fc, self.scale = nn.Linear(4, 4), nn.Parameter(torch.ones(4))
            self.register_buffer("shift", torch.zeros(4))

        def forward(self, x):
            return self.fc(self.row(x).mean((2, 3))) * self.scale + self.shift

    x, fused = picture(1, 3, 20, 20), cl.fuse(settled(Shifted()))
    fused(x), fused(x)
    fused.layers.fc = nn.Linear(4, 4)
    assert torch.equal(fused(x), by_layers(fused, x))
    fused.layers.shift = torch.full((4,), 100.0)
    assert float(fused(x).detach().min()) > 50
    state = {name: value + 1 for name, value in fused.state_dict().items()}
    fused.load_state_dict(state, assign=True)
    assert torch.equal(fused(x), by_layers(fused, x))
    others = cl.fuse(settled(Shifted(), seed=3))
    fused.layers = others.layers
    assert torch.equal(fused(x), by_layers(others, x))


def test_an_error_is_ours_alone(fused):
    with pytest.raises(ShapeError) as caught:
        fused(picture(1, 5, 40, 40))
    assert "\n" not in str(caught.value)


def test_programs_of_sizes_and_weights_that_are_gone_are_dropped(fused, monkeypatch):
    monkeypatch.setattr("convolens.layers.fusion.row.MOST_PROGRAMS", 3)
    for side in range(33, 43):
        fused(picture(1, 3, side, 40))
    assert len(fused._row._programs) == 3
    fused.load_state_dict(fused.state_dict())
    fused(picture(1, 3, 33, 33))
    assert len(fused._row._programs) == 1


def test_hooks_and_layers_put_in_another_s_place_are_called(fused):
    x, seen = picture(1, 3, 40, 40), []
    fused(x), fused(x)
    name, layer = next((n, one) for n, one in fused.layers.named_children() if isinstance(one, Convolution))
    hook = layer.register_forward_hook(lambda *_: seen.append(1))
    fused(x), fused(x)
    assert seen == [1, 1]
    hook.remove()
    setattr(fused.layers, name, nn.Sequential(layer))
    assert torch.equal(fused(x), fused(x))


def test_what_the_core_does_not_compute_is_left_to_the_layers():
    grouped = nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.ReLU(),
    )  # fmt: skip
    model = settled(grouped)
    fused, x = cl.fuse(model), picture(1, 8, 20, 20)
    for _ in range(3):
        with torch.no_grad():
            torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-4)
    assert set(fused._row._programs.values()) == {None}


def test_a_network_whose_input_is_used_again_is_called_layer_by_layer():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.row = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 1))

        def forward(self, x):
            return torch.tanh(x) + self.row(x)

    model = settled(Again())
    fused, x = cl.fuse(model), picture(1, 3, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-4)
    assert not Row(fused.layers).is_worth_it


def test_copies_have_rows_of_their_own(fused):
    x = picture(1, 3, 40, 40)
    wanted = fused(x)
    for other in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):
        assert other._row is None
        assert torch.equal(other(x), wanted)
        assert torch.equal(other(x), wanted)


def test_many_threads_at_once(fused):
    pictures = [picture(1, 3, 40 + 4 * (seed % 3), 40, seed=seed) for seed in range(6)]
    wanted, wrong = [by_layers(fused, x) for x in pictures], []

    def work(at):
        for turn in range(20):
            one = (at + turn) % len(pictures)
            if not torch.equal(fused(pictures[one]), wanted[one]):
                wrong.append(one)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_maps_that_live_at_the_same_time_have_places_apart(fused):
    x = picture(2, 3, 65, 81)
    fused(x)
    (program,) = fused._row._programs.values()
    largest = 2 * 64 * 33 * 41
    assert largest <= sum(program._floats) < 4 * largest  # two or three maps, not twelve
    with pytest.raises(ValueError, match="Program: addresses"):
        program._program.run([x.data_ptr()])
