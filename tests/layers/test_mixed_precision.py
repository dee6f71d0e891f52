"""Under torch's autocast, layers compute in the precision that it asks for, as torch's own do."""

import numpy as np
import torch
from torch import nn

from convolens.layers import Conv2d, MaxPool2d, conv2d, conv2d_backward, max_pool2d, max_pool2d_backward


def test_arrays_are_computed_under_autocast_as_without():
    draw = np.random.default_rng(0)
    x, weight, bias, g = (draw.normal(size=size).astype(np.float32)
                          for size in ((2, 32, 12, 14), (40, 32, 3, 3), (40,), (2, 40, 10, 12)))  # fmt: skip

    def results():
        _, argmax = max_pool2d(x, 2, return_argmax=True)
        pooled = max_pool2d(x, 2), max_pool2d_backward(x[..., ::2, ::2], argmax, x.shape)
        ours = conv2d(x, weight, bias), conv2d(x[:, :3], weight[:, :3]), conv2d(x, torch.from_numpy(weight))
        return *ours, *conv2d_backward(x, weight, g), *pooled

    wanted = results()
    with torch.autocast("cpu", torch.bfloat16):
        found = results()
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, np.ndarray)
        np.testing.assert_array_equal(one, other)


def test_a_row_of_layers_under_autocast_gives_what_torchs_gives():
    torch.manual_seed(0)
    ours = nn.Sequential(Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), MaxPool2d(2), Conv2d(8, 4, 1, bias=False))
    torchs = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1, bias=False)
    )
    torchs.load_state_dict(ours.state_dict())
    x = torch.rand(2, 3, 10, 12)
    with torch.autocast("cpu", torch.bfloat16):
        found, true = ours(x), torchs(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, true, rtol=0, atol=0)
    found.float().square().sum().backward()
    assert all(value.grad is not None and value.grad.dtype == torch.float32 for value in ours.parameters())
