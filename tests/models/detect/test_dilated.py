import pytest
import torch
from torch import nn

from convolens.models.detect.dilated import DilatedConv2d


@pytest.mark.parametrize(("size", "dilation"), [((19, 19), 6), ((7, 30), 2), ((4, 5), 6)])
def test_it_is_torchs_dilated_convolution_with_its_gradients(size, dilation):
    torch.manual_seed(0)
    ours = DilatedConv2d(32, 48, dilation)
    theirs = nn.Conv2d(32, 48, 3, padding=dilation, dilation=dilation).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 32, *size, requires_grad=True)
    wide = x.detach().double().requires_grad_()
    found, expected = ours(x), theirs(wide)
    upstream = torch.randn(found.shape)
    found.backward(upstream)
    expected.backward(upstream.double())
    pairs = [(found, expected), (x.grad, wide.grad), (ours.weight.grad, theirs.weight.grad)]
    for one, other in [*pairs, (ours.bias.grad, theirs.bias.grad)]:
        assert (one - other).abs().max() <= 1e-4 * other.abs().max()
    torch.testing.assert_close(ours.double()(x.double()), expected)
