"""Dense layers as convolutions: every cell of the map is its window's score."""

import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError, ShapeError
from convolens.features import convolutionalize as scan
from convolens.features.convolutionalize import convolutionalize
from convolens.models.classify import classifier


@pytest.fixture(autouse=True)
def _exact():
    cl.precision("exact")
    yield
    cl.precision("fast")


def seeded(*layers):
    """Layers in a row with random weights that keep the size of what passes, biases too."""
    model = nn.Sequential(*layers).eval()
    generator = torch.Generator().manual_seed(0)
    for value in model.parameters():
        fan_in = value[0].numel() if value.dim() > 1 else 4
        nn.init.normal_(value, 0, (2 / fan_in) ** 0.5, generator=generator)
    return model


def digits_14():
    """A 14×14 classifier in LeNet's manner."""
    return seeded(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 4 * 4, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def valid_vgg():
    """VGG's manner without padding, 4096-wide dense layers: 92×92 to a 4×4 map at stride 8."""
    return seeded(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 5 * 5, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 20),
    )  # fmt: skip


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def one_by_one(model, picture, window, stride):
    rows, columns = ((side - w) // stride + 1 for side, w in zip(picture.shape[2:], window, strict=True))
    cells = [
        model(picture[:, :, r * stride : r * stride + window[0], c * stride : c * stride + window[1]])
        for r in range(rows)
        for c in range(columns)
    ]
    return torch.stack(cells, 2).unflatten(2, (rows, columns))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("make", "window", "picture", "cells"),
    [
        (digits_14, (14, 14), (1, 16, 16), (2, 2)),
        (digits_14, (14, 14), (1, 19, 33), (3, 10)),
        (valid_vgg, (92, 92), (3, 100, 132), (2, 6)),
    ],
)
def test_without_padding_every_window_equals_its_cell(make, window, picture, cells):
    model = make()
    scanner = convolutionalize(model, window)
    batch = noise(2, *picture)
    scores = scanner(batch)
    assert scores.shape[2:] == cells
    expected = one_by_one(model, batch, window, scanner.stride)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@torch.inference_mode()
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_finer_stride_scores_the_windows_in_between(stride):
    model = valid_vgg()
    scanner = convolutionalize(model, 92)
    batch = noise(1, 3, 97, 101)
    expected = one_by_one(model, batch, (92, 92), stride)
    torch.testing.assert_close(scanner(batch, stride=stride), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@torch.inference_mode()
@pytest.mark.parametrize(("name", "size"), [("vgg16", 224), ("resnet18", 224), ("resnet18", 128)])
def test_at_its_own_size_a_published_network_gives_one_cell_with_its_logits(name, size):
    model = classifier(name, classes=["a", "b", "c"], head="original", seed=2)
    for value in model.head.parameters():
        nn.init.normal_(value, 0, 0.02, generator=torch.Generator().manual_seed(3))
    batch = noise(1, 3, size, size)
    expected = model(batch)
    scores = convolutionalize(model, size)(batch)
    assert scores.shape == (1, 3, 1, 1)
    torch.testing.assert_close(scores[:, :, 0, 0], expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@torch.inference_mode()
def test_a_pooled_head_scans_too_and_knows_its_classes():
    model = classifier("vgg11", classes=["brick", "grass"], taps="conv3_2")
    scanner = convolutionalize(model, 32)
    assert (scanner.class_names, scanner.window, scanner.stride) == (("brick", "grass"), (32, 32), 4)
    picture = torch.rand(40, 48, 3)
    scores = scanner(scanner.preprocess(picture))
    assert scores.shape == (1, 2, 3, 5)
    maps = model.trunk(model.trunk.preprocess(picture), taps="conv3_2")["conv3_2"]
    expected = maps[:, :, 1:9, 2:10].mean((2, 3)) @ model.head.linear.weight.T + model.head.linear.bias
    torch.testing.assert_close(scores[:, :, 1, 2], expected, rtol=1e-4, atol=1e-5)


def test_parameters_are_shared_not_copied():
    model = digits_14()
    scanner = convolutionalize(model, 14)
    model[6].weight.data.zero_()
    model[8].bias.data.fill_(7)
    with torch.inference_mode():
        hidden = model[6].bias.clamp(min=0) @ model[8].weight.T + 7
        torch.testing.assert_close(scanner(noise(1, 1, 14, 14))[0, :, 0, 0], hidden)


def test_a_map_taken_strip_by_strip_is_the_same_and_has_the_same_gradient(monkeypatch):
    scanner, batch = convolutionalize(valid_vgg(), 92), noise(2, 3, 140, 124).requires_grad_()
    whole = scanner(batch)
    (expected,) = torch.autograd.grad(whole.square().sum(), batch)
    monkeypatch.setattr(scan, "MAX_UNFOLDED", 1)
    strips = scanner(batch)
    (gradient,) = torch.autograd.grad(strips.square().sum(), batch)
    torch.testing.assert_close(strips, whole, rtol=0, atol=1e-5 * float(whole.detach().abs().max()))
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_what_cannot_be_scanned_is_refused():
    scanner = convolutionalize(digits_14(), 14)
    with pytest.raises(ShapeError, match=r"batch: need pictures of at least 14×14, got 13×40"):
        scanner(noise(1, 1, 13, 40))
    with pytest.raises(ArgumentError, match=r"stride: need a divisor of the network's own 2, got 3"):
        scanner(noise(1, 1, 20, 20), stride=3)
    with pytest.raises(ArgumentError, match=r"preprocess: need a model that knows its preprocessing"):
        scanner.preprocess(torch.zeros(20, 20))
    with pytest.raises(ArgumentError, match=r"need convolutions, pooling and dense layers, got LayerNorm"):
        convolutionalize(nn.Sequential(nn.Conv2d(1, 1, 3), nn.LayerNorm(4)), 6)
    with pytest.raises(
        ArgumentError, match=r"input_size: need one at which the last map is a multiple of 7×7, got a map of 3"
    ):
        convolutionalize(classifier("vgg11", classes=["a", "b"], head="original"), 96)
    with pytest.raises(ArgumentError, match=r"need a head on one tap, got conv1_1, conv2_1"):
        convolutionalize(classifier("vgg11", classes=["a", "b"], taps=("conv1_1", "conv2_1")), 32)
    with pytest.raises(ArgumentError, match=r"need a model that starts with convolutions, got none"):
        convolutionalize(nn.Sequential(nn.ReLU()), 32)
