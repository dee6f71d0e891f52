"""Under torch's autocast, layers compute in the precision that it asks for, as torch's own do."""

import torch
from torch import nn

from convolens.layers import Conv2d, MaxPool2d


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
