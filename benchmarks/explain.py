"""Explaining against pytorch-grad-cam: the same weights, pictures and targets; maps compared first, then times.

Needs the peer beside torch (`pip install --no-deps torchvision grad-cam ttach`, and what they import). Where
torchvision's wheel does not import beside the CPU-only torch, name a module that registers its operators in
CONVOLENS_BENCH_FIRST. `python -m benchmarks.explain parity` only compares maps.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import interpolate

import convolens as cl
from benchmarks.harness import Report, Row, machine, replace_section
from convolens.media.images import read_rgb8
from convolens.tasks.classify import Classifier
from convolens.tasks.explain.placing import to_input
from convolens.tour.pictures import photo

Maps = NDArray[np.float32]

PICTURES, BATCH, SIDE = 32, 16, 224
SMALL_SIDE = 64  # of the pictures whose maps are compared
TOLERANCE = 1e-4  # of maps from 0 to 1, in exact precision
SCALE = 1e4  # of the score: the 1e-6 that the peer adds below Grad-CAM++'s fraction is nothing beside it
SPEED_TOLERANCE = {"cam": 0.02, "gradcam": 2e-3}  # in fast precision; cam's ReLU comes after stretching, theirs before
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

NOTE = """Random weights, torchvision's networks for the peer, the same through `cl.fuse` for ours; each picture's
likeliest class. Score-CAM is of one picture at an early tap (ResNet50: 256 features, VGG16: 128), each feature a pass
of the whole network, 16 at a time for both. Both sides run once before; `cam` and `gradcam` ours are medians of three
beside one run of the peer's, Score-CAM is a run of each."""
PARITY_NOTE = """The largest difference of maps from 0 to 1, normalised as pytorch-grad-cam does, on parts of photos,
where its map is not the same everywhere. Random weights, exact precision (Ablation-CAM in float64: it is a small
difference of large scores). Score-CAM's masks are stretched as there, corner on corner. `eigencam` is compared in the
tests."""


class Layer(NamedTuple):
    """Where to look: our tap, and the peer's module."""

    tap: str
    theirs: Callable[[Any], nn.Module]


HEADS: dict[str, Any] = {"resnet18": "gap", "resnet50": "gap", "vgg16": "original"}
DEEP = {
    "resnet18": Layer("layer4.1", lambda net: net.layer4[-1]),
    "resnet50": Layer("layer4.2", lambda net: net.layer4[-1]),
    "vgg16": Layer("conv5_3", lambda net: net.features[29]),
}
NARROW = {
    "resnet18": Layer("layer1.1", lambda net: net.layer1[-1]),
    "resnet50": Layer("layer1.2", lambda net: net.layer1[-1]),
    "vgg16": Layer("conv2_2", lambda net: net.features[8]),
}
GRADIENTS = {"gradcam": "GradCAM", "gradcam++": "GradCAMPlusPlus", "hirescam": "HiResCAM", "layercam": "LayerCAM"}
PASSES = {"scorecam": "ScoreCAM", "ablationcam": "AblationCAM"}


def run() -> None:
    """Times, and their section."""
    prepare()
    report = Report("explain", "Explaining", " ".join(NOTE.split()))
    resnet, peer = networks("resnet50", fused=True)
    pictures = crops(PICTURES, SIDE)
    theirs("GradCAM", peer, DEEP["resnet50"], resnet, pictures[:2])()
    expected, peer_ms = timed(theirs("GradCAM", peer, DEEP["resnet50"], resnet, pictures))
    for method, tolerance in SPEED_TOLERANCE.items():
        mine = ours(method, resnet, DEEP["resnet50"].tap, pictures)
        if not largest(mine(), expected) <= tolerance:
            raise ValueError(f"{method}: need maps within {tolerance:g} of the peer's, got {largest(mine(), expected)}")
        times = sorted(timed(mine)[1] for _ in range(3))
        add(report, Row(f"{method}, ResNet50, {PICTURES} pictures of {SIDE}×{SIDE}", times[1], {"GradCAM": peer_ms}))
    for name in ("resnet50", "vgg16"):
        model, peer = networks(name, fused=True)
        ours(
            "cam" if name == "resnet50" else "eigencam", model, DEEP[name].tap, pictures[:BATCH]
        )()  # weights are transformed at the first call
        theirs("GradCAM", peer, NARROW[name], model, pictures[:2])()
        calls = (
            ours("scorecam", model, NARROW[name].tap, pictures[:1]),
            theirs("ScoreCAM", peer, NARROW[name], model, pictures[:1]),
        )
        mine_ms, peer_ms = (timed(call)[1] for call in calls)
        add(report, Row(f"scorecam, {name}, one picture of {SIDE}×{SIDE}", mine_ms, {"ScoreCAM": peer_ms}))
    report.write()


def prepare() -> None:
    """The peer's imports and both sides' threads."""
    if first := os.environ.get("CONVOLENS_BENCH_FIRST"):
        import_module(first)
    torch.set_num_threads(cl.threads())


def parity() -> None:
    """The section about maps: how far they are from the peer's."""
    prepare()
    before = cl.precision()
    cl.precision("exact")
    try:
        rows = [f"| {name} | {' | '.join(f'{off:.0e}' for off in differences(name))} |" for name in HEADS]
    finally:
        cl.precision(before)
    methods = [*GRADIENTS, *PASSES]
    lines = ["## Explaining: the same maps", "", " ".join(PARITY_NOTE.split()), "", machine(), ""]
    lines += ["`python -m benchmarks.explain parity`", "", f"| network | {' | '.join(methods)} |"]
    lines += ["|---" * (len(methods) + 1) + "|", *rows, ""]
    print("\n".join(lines))
    replace_section("Explaining: the same maps", "\n".join(lines))


def differences(name: str) -> Iterator[float]:
    """The largest difference of each method's maps on a network; a ValueError where one is too large."""
    model, peer = networks(name, fused=False)
    pictures = crops(2, SMALL_SIDE)
    with torch.no_grad():
        likeliest = int(peer(torch.cat([model.preprocess(picture) for picture in pictures])).sum(dim=0).argmax())

    def score(scores: torch.Tensor) -> torch.Tensor:
        return scores[..., likeliest] * SCALE

    for method, peers_name in {**GRADIENTS, **PASSES}.items():
        if method == "ablationcam":  # a small difference of large scores, in float32 lost in rounding
            model, peer = model.double(), peer.double()
        where = (NARROW if method in PASSES else DEEP)[name]
        expected = theirs(peers_name, peer, where, model, pictures, [score] * len(pictures))()
        with mock.patch("convolens.tasks.explain.perturbation.to_input", corners_aligned):
            found = ours(method, model, where.tap, pictures, score)()
        shown = [number for number, one in enumerate(expected) if np.ptp(one) > 0.9]
        if not shown:
            raise ValueError(f"{name}, {method}: need a map, got nothing but maps that are the same everywhere")
        off = largest(found[shown], expected[shown])
        print(f"{name} {method}: {off:.1e}", flush=True)
        if not off <= TOLERANCE:
            raise ValueError(f"{name}, {method}: need maps within {TOLERANCE:g} of the peer's, got {off:g}")
        yield off


def corners_aligned(grid: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """How the peer stretches Score-CAM's masks."""
    return interpolate(grid[:, None], (height, width), mode="bilinear", align_corners=True)[:, 0]


def crops(count: int, side: int) -> list[NDArray[np.uint8]]:
    """Parts of photos."""
    random, found = np.random.default_rng(0), []
    for number in range(count):
        pixels = read_rgb8(photo(PHOTOS[number % len(PHOTOS)]))[0]
        y, x = (random.integers(0, size - side + 1) for size in pixels.shape[:2])
        found.append(np.ascontiguousarray(pixels[y : y + side, x : x + side]))
    return found


def networks(name: str, *, fused: bool) -> tuple[Classifier, nn.Module]:
    """Ours and the peer's, with the same weights, of random numbers that keep the size of what passes."""
    import torchvision

    torch.manual_seed(0)
    peer = getattr(torchvision.models, name)().eval()
    with TemporaryDirectory() as folder:
        path = Path(folder, "weights.pth")
        torch.save(peer.state_dict(), path)
        model = cl.classifier(name, weights=path, head=HEADS[name])
    model.trunk.preprocessing = replace(model.trunk.preprocessing, resize=None, crop=None)
    made: Any = cl.fuse(model) if fused else model
    return made, peer


def ours(
    method: str, model: Classifier, tap: str, pictures: Sequence[NDArray[Any]], target: Any = None
) -> Callable[[], Maps]:
    """As the peer gives them: rectified, from 0 to 1, stretched, and once more from 0 to 1."""

    def maps() -> Maps:
        found = cl.explain(model, pictures, target=target, method=method, tap=tap, batch=BATCH)
        return np.stack([normalised(one.grids[tap], one.heatmap.shape) for one in found])

    return maps


def normalised(grid: Maps, size: tuple[int, ...]) -> Maps:
    small = torch.from_numpy(to_one(grid.clip(min=0)))[None]
    return to_one(to_input(small, size[0], size[1])[0].numpy())


def to_one(values: Maps) -> Maps:
    values = values - values.min()
    return values / (values.max() + np.float32(1e-7))


def theirs(
    method: str,
    network: nn.Module,
    layer: Layer,
    model: Classifier,
    pictures: Sequence[NDArray[Any]],
    targets: Any = None,
) -> Callable[[], Maps]:
    import pytorch_grad_cam

    batch = torch.cat([model.preprocess(picture) for picture in pictures])

    def maps() -> Maps:
        with getattr(pytorch_grad_cam, method)(model=network, target_layers=[layer.theirs(network)]) as found:
            found.batch_size = BATCH
            made: Maps = found(input_tensor=batch.clone(), targets=targets)
        return made

    return maps


def timed(call: Callable[[], Maps]) -> tuple[Maps, float]:
    """What the call gives, and its milliseconds."""
    start = time.perf_counter()
    made = call()
    return made, (time.perf_counter() - start) * 1e3


def largest(found: Maps, expected: Maps) -> float:
    return float(np.abs(found - expected).max())


def add(report: Report, row: Row) -> None:
    report.rows.append(row)
    print(row.markdown(), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["parity"]:
        parity()
    else:
        run()
