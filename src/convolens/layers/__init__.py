"""Layers of a network: convolution and max pooling, with their gradients written out.

They follow torch.nn's meaning and take NumPy arrays as well as tensors. They need torch (the extra `networks`).
"""

from __future__ import annotations

from convolens.torch_loading import need_networks

need_networks("layers")

from convolens.layers.conv import Conv2d, conv2d, conv2d_backward
from convolens.layers.fusion.traced import fuse
from convolens.layers.pool import MaxPool2d, max_pool2d, max_pool2d_backward

__all__ = ["Conv2d", "MaxPool2d", "conv2d", "conv2d_backward", "fuse", "max_pool2d", "max_pool2d_backward"]
