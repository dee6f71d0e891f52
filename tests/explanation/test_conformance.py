"""Every method in METHODS is tested here before its author writes a test: on a network whose reasons are known."""

import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import MethodError
from convolens.explanation import METHODS
from convolens.trunks import Preprocessing

CLASSES = ("red", "blue")
PLAIN = Preprocessing(mean=(0.0,) * 3, deviation=(1.0,) * 3)
CLASS_BLIND = {"eigencam"}
ELSEWHERE = sorted(set(METHODS) - {"cam"})  # cam needs a head of ours


def color_network():
    """Scores redness and blueness: a 1×1 convolution for each, 4×4 averages, their mean, the class's own weights.

    The weights are large, so that scores differ by more than 1: Score-CAM's softmax tells no smaller differences apart.
    """
    colors = nn.Conv2d(3, 2, 1)
    head = nn.Linear(2, 2)
    with torch.no_grad():
        colors.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, -1, 1]]).view(2, 3, 1, 1))
        colors.bias.fill_(0.0)
        head.weight.copy_(torch.tensor([[100.0, -20.0], [-20.0, 100.0]]))
        head.bias.copy_(torch.tensor([0.1, -0.1]))
    return nn.Sequential(
        colors, nn.ReLU(inplace=True), nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    )  # fmt: skip


@pytest.fixture(scope="module")
def network():
    return cl.wrap_module(color_network(), "2", class_names=CLASSES, preprocessing=PLAIN).eval()


def two_squares(red=(8, 8), blue=(36, 20), size=(40, 64)):
    """Grey with a red and a blue square of 12 pixels; their left and top given."""
    picture = np.full((*size, 3), 40, np.uint8)
    for (left, top), color in [(red, (250, 0, 0)), (blue, (0, 0, 250))]:
        picture[top : top + 12, left : left + 12] = color
    return picture


@pytest.mark.parametrize("method", ELSEWHERE)
def test_it_points_at_the_class_it_was_asked_for(network, method):
    for name, (left, top) in [("red", (8, 8)), ("blue", (36, 20))]:
        found = cl.explain(network, two_squares(), target=name, method=method)
        y, x = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
        inside = left <= x < left + 12 and top <= y < top + 12
        if method in CLASS_BLIND:
            assert two_squares()[y, x].max() == 250
        else:
            assert inside, (name, x, y)


@pytest.mark.parametrize("method", ELSEWHERE)
def test_its_box_lies_on_the_square(network, method):
    if method in CLASS_BLIND:
        pytest.skip("it shows both squares")
    x1, y1, x2, y2 = cl.explain(network, two_squares(), target="blue", method=method).box()
    width, height = min(x2, 48) - max(x1, 36), min(y2, 32) - max(y1, 20)
    overlap = max(width, 0) * max(height, 0)
    assert overlap / ((x2 - x1) * (y2 - y1) + 144 - overlap) > 0.4


@pytest.mark.parametrize("method", ELSEWHERE)
def test_it_is_finite_in_the_pictures_pixels_and_the_same_twice(network, method):
    one, two = (cl.explain(network, two_squares(), target="red", method=method) for _ in range(2))
    assert one.heatmap.shape == (40, 64)
    assert np.isfinite(one.heatmap).all()
    assert (one.heatmap == two.heatmap).all()
    assert one.method == method


@pytest.mark.parametrize("method", ELSEWHERE)
def test_a_batch_gives_what_each_picture_gives_alone(network, method):
    pictures = [two_squares(), two_squares(red=(40, 20), blue=(4, 4)), two_squares(blue=(20, 26))]
    together = cl.explain(network, pictures, target="blue", method=method)
    for one, picture in zip(together, pictures, strict=True):
        alone = cl.explain(network, picture, target="blue", method=method)
        np.testing.assert_allclose(one.heatmap, alone.heatmap, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ELSEWHERE)
def test_a_picture_of_one_gray_gives_a_map_without_trouble(network, method):
    found = cl.explain(network, np.zeros((16, 16), np.uint8), target="red", method=method)
    assert np.isfinite(found.heatmap).all()
    assert found.overlay().shape == (16, 16, 3)


@pytest.mark.parametrize("method", ELSEWHERE)
def test_the_network_is_left_as_it_was(network, method):
    before = [parameter.clone() for parameter in network.parameters()]
    cl.explain(network, two_squares(), method=method)
    for parameter, old in zip(network.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert parameter.grad is None
    for module in network.modules():
        assert not module._forward_hooks and not module._backward_hooks and not module._forward_pre_hooks
    assert network.module[1].inplace
    # Outside of the explanation a ReLU is an ordinary one again: its gradient lets negative values back.
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    (torch.relu(x) * torch.tensor([1.0, -1.0])).sum().backward()
    assert x.grad.tolist() == [0.0, -1.0]


@pytest.mark.parametrize("method", [name for name in ELSEWHERE if METHODS[name].at_input])
def test_a_method_that_looks_at_pixels_refuses_a_tap(network, method):
    with pytest.raises(MethodError, match=f"method {method}: looks at the pixels, not at a tap; leave out tap"):
        cl.explain(network, two_squares(), method=method, taps="2")


@pytest.mark.parametrize("method", [name for name in ELSEWHERE if not METHODS[name].at_input])
def test_several_taps_are_each_brought_to_one_and_averaged(method):
    network = cl.wrap_module(color_network(), ("1", "2"), class_names=CLASSES, preprocessing=PLAIN).eval()
    alone = two_squares(red=(36, 20))  # below the blue one: of two as strong, eigencam's first direction is either
    found = cl.explain(network, alone, target="blue", method=method, taps=("1", "2"))
    assert set(found.grids) == {"1", "2"}
    assert found.grids["1"].shape == (40, 64)
    assert found.heatmap.max() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_it_explains_our_own_classifiers(model, picture, method):
    found = cl.explain(model, picture[:12, :20], method=method)
    assert found.heatmap.shape == (12, 20)
    assert np.isfinite(found.heatmap).all()
    assert np.ptp(found.heatmap) > 0
