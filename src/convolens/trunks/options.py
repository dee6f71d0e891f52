"""What can be chosen about a trunk, besides its name and weights; and the device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from torch import nn

from convolens.arrays import as_flag, as_real
from convolens.errors import ArgumentError, DeviceError, did_you_mean, need_one_of
from convolens.forks import lock_that_forks
from convolens.trunks.blocks import PaddingMode, Pooling

# More than any camera has; a model file's header may ask for anything.
MAX_CHANNELS = 4096
# Of a residual network's features: at least 4 in its first stage, and no network that only a large machine could hold.
MIN_WIDTH, MAX_WIDTH = 1 / 16, 8.0
MAX_EPSILON = 1.0  # batch norm's variances are about 1

_seeding = lock_that_forks()


class TrunkOptions(TypedDict, total=False):
    """Options that every named network takes.

    Attributes:
        channels: of the input; 3 for colour pictures.
        pooling: `max`, as the networks were published, or `average`, which is smoother (Gatys et al. for style).
        ceil_mode: pooling keeps the last, incomplete window, so that no border row is dropped.
        padding_mode: what convolutions get past the border: `constant` (zeros, as published) or `edge`.
    """

    channels: int
    pooling: Pooling
    ceil_mode: bool
    padding_mode: PaddingMode


class ResNetOptions(TrunkOptions, total=False):
    """Options of residual networks; `stride_in`, `bias` and `norm_epsilon` differ between publishers.

    Attributes:
        stride_in: which convolution of a bottleneck takes the stride: `conv2`, the 3×3 (torchvision, "v1.5"), or
            `conv1`, the first 1×1 (the paper, Keras).
        bias: convolutions have biases too, in front of the batch norm (Keras).
        norm_epsilon: what batch norm adds to the variance.
        stem: `full` shrinks the picture by four before the first block, as published; `small`, for pictures of about
            8 to 64 pixels, does not shrink it (a 3×3 convolution, no pooling; the paper's section 4.2).
        width: features of every layer, as a fraction of the published number; less is faster, and has no published
            weights.
    """

    stride_in: Literal["conv1", "conv2"]
    bias: bool
    norm_epsilon: float
    stem: Literal["full", "small"]
    width: float


def vgg_options(options: TrunkOptions) -> TrunkOptions:
    """The options with the defaults filled in. Raises an `ArgumentError` for one that there is not."""
    defaults = TrunkOptions(channels=3, pooling="max", ceil_mode=False, padding_mode="constant")
    _check(options, defaults)
    return TrunkOptions(**{**defaults, **options})


def resnet_options(options: ResNetOptions) -> ResNetOptions:
    """The options with the defaults filled in. Raises an `ArgumentError` for one that there is not."""
    defaults = ResNetOptions(
        **vgg_options(TrunkOptions()), stride_in="conv2", bias=False, norm_epsilon=1e-5, stem="full", width=1.0
    )
    _check(options, defaults)
    need_one_of("stride_in", options.get("stride_in", "conv2"), ("conv1", "conv2"))
    need_one_of("stem", options.get("stem", "full"), ("full", "small"))
    as_flag(options.get("bias", False), "bias")
    epsilon = options.get("norm_epsilon", 1e-5)
    as_real(epsilon, "norm_epsilon", f"a number from 0 to {MAX_EPSILON:g}", lambda value: 0 <= value <= MAX_EPSILON)
    width, need = options.get("width", 1.0), f"a number from {MIN_WIDTH:g} to {MAX_WIDTH:g}"
    as_real(width, "width", need, lambda value: MIN_WIDTH <= value <= MAX_WIDTH)
    return ResNetOptions(**{**defaults, **options})


def pick_device(device: str) -> torch.device:
    """`auto` is the GPU where there is one, otherwise the CPU; anything else is torch's name for a device.

    Of several processes that `torchrun` started each has its own GPU, where no number is given.

    Raises:
        DeviceError: torch does not know or does not have it.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if not isinstance(device, str | torch.device):
        raise DeviceError(f"device: need auto, cpu, cuda, cuda:1 or such that torch knows, got {device!r}")
    if device == "auto":
        surrounding = torch.get_default_device()  # as a `with torch.device(…)` around the call says, such as `meta`
        gpu = surrounding.type == "cpu" and torch.cuda.is_available()
        return _own_gpu(torch.device("cuda")) if gpu else surrounding
    try:
        picked = torch.device(device)
    except RuntimeError as error:  # its message lists two dozen names that few machines have
        raise DeviceError(f"device: need auto, cpu, cuda, cuda:1 or such that torch knows, got {device!r}") from error
    try:
        torch.empty(1, device=picked)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device: need one that this machine has, got {device!r}: {reason}") from error
    if picked.type == "meta":
        raise DeviceError(f"device: need one that computes, got {device!r}, which holds no numbers; use cpu")
    return _own_gpu(picked)


def _own_gpu(picked: torch.device) -> torch.device:
    """With a GPU for each process that `torchrun` started on this machine, this process's."""
    own = int(os.environ.get("LOCAL_RANK", "0"))
    if picked.type != "cuda" or picked.index is not None or not 0 < own < torch.cuda.device_count():
        return picked  # or where each process sees a single one, that
    return torch.device("cuda", own)


def need_seed(seed: int) -> int:
    """The seed of random weights, if it is one.

    Raises:
        ArgumentError: no whole number, or one that torch's generator does not take.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
        raise ArgumentError(f"seed: need a whole number from 0 to 2^64 - 1, got {seed!r}")
    return int(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it torch's random numbers are those of the seed; afterwards they go on as if it had not been.

    They are the process's: of several threads that make layers so, one does at a time; others may draw meanwhile, as
    whoever loads a model does, and so what is made has its numbers from `draw`.

    Raises:
        ArgumentError: as in `need_seed`.
    """
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(need_seed(seed))
        yield


def draw(module: nn.Module, seed: int) -> None:
    """Torch's initial weights of linear layers and convolutions, in place, of the seed alone.

    They are those that the layers have when they are made, one after another, in a process of that seed.
    """
    generator = torch.Generator().manual_seed(need_seed(seed))
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.device.type == "cpu":
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            if layer.bias is not None:
                bound = layer.weight[0].numel() ** -0.5
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _check(options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ArgumentError(f"trunk: need options out of {', '.join(known)}, got {name!r}{hint}")
    channels = options.get("channels", 3)
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MAX_CHANNELS:
        raise ArgumentError(f"channels: need a whole number from 1 to {MAX_CHANNELS}, got {channels!r}")
    as_flag(options.get("ceil_mode", False), "ceil_mode")
