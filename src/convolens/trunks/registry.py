"""The trunks by name, and how one is made: with random weights, or with anyone's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Unpack

import torch

from convolens.errors import ArgumentError, need_one_of
from convolens.trunks import resnet, vgg
from convolens.trunks.blocks import OriginalHead, initialize, need_weights
from convolens.trunks.options import ResNetOptions, need_seed, pick_device
from convolens.trunks.receptive import ReceptiveFields
from convolens.trunks.trunk import Trunk, fields_of
from convolens.trunks.weights.checkpoint import read_checkpoint
from convolens.trunks.weights.loading import build_with, likeliest, open_weights, original_head_of

TRUNKS: dict[str, Callable[..., Trunk]] = {
    **vgg.VGGS,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnet152": resnet.resnet152,
    "wide_resnet50_2": resnet.wide_resnet50_2,
    "resnext50_32x4d": resnet.resnext50_32x4d,
}


def trunk(
    name: str,
    *,
    weights: str | PathLike[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    **options: Unpack[ResNetOptions],
) -> Trunk:
    """A feature extractor with named taps, in evaluation mode.

    Args:
        name: one of `TRUNKS`.
        weights: a name from the weights table, `timm/MODEL` on the Hugging Face hub, or a path to a weights file
            (`.safetensors`, `.pth`, Keras's `.h5`); None for random weights.
        seed: of the random weights.
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, …
        options: `channels`, `pooling`, `ceil_mode`, `padding_mode`, and for ResNets `stride_in`, `bias`,
            `norm_epsilon`; see `ResNetOptions`. What is not given is as the weights were trained.

    Raises:
        ArgumentError: no such network, no such weights, no such option.
        WeightsError: the weights file is missing, damaged, or another network's.
        DeviceError: the device is not there.
        MemoryRefused: weights beyond the budget of memory.

    >>> trunk("vgg16").receptive_field("conv4_3")
    ReceptiveField(size=92, stride=8, offset=-42)
    """
    build, where, seed = _builder(name), pick_device(device), need_seed(seed)
    if weights is not None:
        made = build_with(open_weights(name, weights), name, TRUNKS, options)
        # A trunk takes pictures at their own size; resizing and cropping belong to the published classifier.
        made.preprocessing = replace(made.preprocessing, resize=None, crop=None)
        return made.to(where)
    with torch.device("meta"):  # memory and time only for the weights that are kept
        made = build(**options)
    need_weights(sum(one.numel() for one in made.state_dict().values()), name, "pass a smaller width")
    made.to_empty(device="cpu")
    initialize(made, seed)
    return made.to(where).eval()


def for_one_channel(trunk: Trunk) -> Trunk:
    """A copy of the trunk for pictures of one channel, gray ones or sounds' pictures of time and pitch.

    A gray picture in three equal channels meets, in the first convolution, the sum of the three channels' weights: the
    copy has these sums. What was subtracted and divided by, a channel each, becomes one mean and one deviation: weights
    and bias, or the batch norm's mean, make up for it, so that only next to the picture's border something differs.

    >>> for_one_channel(trunk("resnet18", width=0.25)).conv1.weight.shape
    torch.Size([16, 1, 7, 7])
    """
    known, channels = trunk.preprocessing, int(trunk.options["channels"])
    mean, deviation = sum(known.mean) / channels, sum(known.deviation) / channels
    state = dict(trunk.state_dict())
    first = next(name for name, value in state.items() if value.ndim == 4)  # of the layer that takes the picture
    weight = state[first].double() / torch.tensor(known.deviation, dtype=torch.double).view(1, -1, 1, 1)
    constant = (weight * (mean - torch.tensor(known.mean, dtype=torch.double)).view(1, -1, 1, 1)).sum((1, 2, 3))
    state[first] = (weight * deviation).sum(1, keepdim=True).float()
    bias = first.replace("weight", "bias")
    taken_up = bias if bias in state else next(name for name in state if name.endswith("running_mean"))
    state[taken_up] = (state[taken_up] + (constant if taken_up == bias else -constant)).float()
    with torch.device("meta"):
        made = TRUNKS[trunk.name](**{**trunk.options, "channels": 1})
    made.load_state_dict(state, assign=True)
    made.weights = trunk.weights
    made.preprocessing = replace(known, order="rgb", mean=(mean,), deviation=(deviation,))
    return made.eval()


def published(
    name: str, weights: str | PathLike[str], **options: Unpack[ResNetOptions]
) -> tuple[Trunk, OriginalHead, tuple[str, ...]]:
    """A whole published network: the trunk, its original classifier, and the names of its classes.

    The trunk's preprocessing resizes and crops as the network was published. Class names that nobody states are
    `class 0`, `class 1`, …. Errors as in `trunk`, and a `WeightsError` where the file holds a trunk alone.
    """
    _builder(name)
    checkpoint = open_weights(name, weights)
    made = build_with(checkpoint, name, TRUNKS, options)
    head = original_head_of(checkpoint, made, TRUNKS)
    classes = len(list(head.parameters())[-1])
    if len(checkpoint.class_names) == classes:
        return made, head, checkpoint.class_names
    return made, head, tuple(f"class {number}" for number in range(classes))


def _builder(name: str) -> Callable[..., Trunk]:
    need_one_of("trunk", name, TRUNKS)
    return TRUNKS[name]


def receptive_fields(trunk: Trunk) -> ReceptiveFields:
    """The receptive field of every tap, as a table: channels, stride, size and offset in input pixels.

    Args:
        trunk: any of `TRUNKS`, as `trunk` makes it.

    Returns:
        The table: `rows`, one for each tap; `str` and a notebook show it.

    >>> table = receptive_fields(trunk("vgg16"))
    >>> table.rows[3]
    TapField(tap='conv2_1', channels=128, stride=2, size=10, offset=-4)
    >>> print(str(table).splitlines()[4])
    conv2_1            128       2    10      -4
    """
    if not isinstance(trunk, Trunk):
        raise ArgumentError(f"trunk: need a trunk, as cl.trunk makes it, got {type(trunk).__name__}")
    return fields_of(trunk)


def describe_weights(path: str | PathLike[str]) -> str:
    """What a weights file holds, in lines. Errors as in `trunk`."""
    checkpoint = read_checkpoint(Path(path))
    name = likeliest(checkpoint.state, TRUNKS)
    numbers = sum(value.numel() for value in checkpoint.state.values())
    lines = [f"network         {name or 'none that we know'}", f"tensors         {len(checkpoint.state)}"]
    lines.append(f"numbers         {numbers:,}")
    if name:
        with torch.device("meta"):
            last = list(TRUNKS[name]().original_head(1).state_dict())[-1]
        classes = len(checkpoint.state[last]) if last in checkpoint.state else 0
        lines.append(f"classifier      {f'{classes} classes' if classes else 'none'}")
    lines.append(f"preprocessing   {checkpoint.preprocessing or 'not stated'}")
    return "\n".join(lines)
