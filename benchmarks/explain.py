"""Explaining against pytorch-grad-cam: the same weights, pictures and targets; maps compared first, then times.

Needs the peer beside torch (`pip install --no-deps torchvision grad-cam ttach`, and what they import). Where
torchvision's wheel does not import beside the CPU-only torch, name a module that registers its operators in
CONVOLENS_BENCH_FIRST. `python -m benchmarks.explain parity [MODEL …]` only compares maps, also those of classifiers
of our own that were trained; `python -m benchmarks.explain memory` makes 2,000 calls.
"""

from __future__ import annotations

import os
import resource
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
from convolens.explanation import METHODS, Method
from convolens.explanation.activation import eigencam
from convolens.explanation.targets import Target
from convolens.explanation.upsampling import to_input
from convolens.explanation.view import View
from convolens.media.images import read_rgb8
from convolens.models.classify import Classifier
from convolens.tour.pictures import photo

Maps = NDArray[np.float32]

PICTURES, BATCH, SIDE = 32, 16, 224
SMALL_SIDE = 64  # of the pictures whose maps are compared
TOLERANCE = 1e-4  # of maps from 0 to 1, in exact precision
WARM, CALLS = 200, 2000  # calls after which the memory is read
SCALE = 1e4  # of the score: the 1e-6 that the peer adds below Grad-CAM++'s fraction is nothing beside it
SPEED_TOLERANCE = {"cam": 0.02, "gradcam": 2e-3}  # in fast precision; cam's ReLU comes after stretching, theirs before
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

NOTE = """Random weights, torchvision's networks for the peer, the same through `cl.fuse` for ours; each picture's
likeliest class. Score-CAM is of one picture at an early tap (ResNet50: 256 features, VGG16: 128), each feature a pass
of the whole network, 16 at a time for both. Both sides run once before; `cam` and `gradcam` ours are medians of three
beside one run of the peer's, Score-CAM is a run of each."""
PARITY_NOTE = """The largest difference of maps from 0 to 1, normalised as pytorch-grad-cam does, on parts of photos,
where its map is not the same everywhere. Exact precision; random weights, but for files of our own classifiers (the
tour's of surfaces, `benchmarks.explain_digits`'s of digits). Where the peer departs from a paper, its variant:
Score-CAM's masks stretched corner on corner, Eigen-CAM's features centred (and its sign free). Ablation-CAM in float64:
it is a small difference of large scores."""


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
PASSES = {"scorecam": "ScoreCAM", "ablationcam": "AblationCAM"}  # one for each feature: where features are few
PEERS = {
    "gradcam": "GradCAM", "gradcam++": "GradCAMPlusPlus", "hirescam": "HiResCAM", "layercam": "LayerCAM",
    "eigencam": "EigenCAM", **PASSES,
}  # fmt: skip


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
        with torch.no_grad():
            model(
                torch.cat([model.preprocess(picture) for picture in pictures[:BATCH]])
            )  # weights are transformed once
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


def parity(files: Sequence[str]) -> None:
    """The section about maps: how far they are from the peer's."""
    prepare()
    before = cl.precision()
    cl.precision("exact")
    try:
        rows = [_row(f"{name}, random", differences(name, random_case(name))) for name in HEADS]
        rows += [_row(Path(file).stem, differences(file, own_case(file))) for file in files]
    finally:
        cl.precision(before)
    lines = ["## Explaining: the same maps", "", " ".join(PARITY_NOTE.split()), "", machine(), ""]
    lines += [f"`{' '.join(['python -m benchmarks.explain parity', *(Path(file).name for file in files)])}`", ""]
    lines += [f"| network | {' | '.join(PEERS)} |", "|---" * (len(PEERS) + 1) + "|", *rows, ""]
    print("\n".join(lines))
    replace_section("Explaining: the same maps", "\n".join(lines))


def _row(name: str, offs: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{off:.0e}' for off in offs)} |"


def memory() -> None:
    """The section about memory: the process's after a few calls, and after many."""
    model = cl.classifier("resnet18", classes=("a", "b"))
    (picture,) = crops(1, SMALL_SIDE)
    megabytes: dict[int, float] = {}
    for number in range(1, CALLS + 1):
        cl.explain(model, picture, method=("cam", "gradcam", "layercam", "guided_backprop")[number % 4])
        if number in (WARM, CALLS):
            megabytes[number] = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    words = (
        f"Memory of the process that explains a picture of {SMALL_SIDE}×{SMALL_SIDE} by ResNet18 in turn with `cam`, "
        f"`gradcam`, `layercam` and `guided_backprop`: {megabytes[WARM]:.0f} MB after {WARM} calls, "
        f"{megabytes[CALLS]:.0f} MB after {CALLS:,}."
    )
    text = "\n".join(
        ["## Explaining: memory", "", words, "", machine(), "", "`python -m benchmarks.explain memory`", ""]
    )
    print(text)
    replace_section("Explaining: memory", text)


class Case(NamedTuple):
    """Ours and the peer's network, and where both look: deep, and where there are few features."""

    model: Classifier
    peer: nn.Module
    deep: Layer
    narrow: Layer


def random_case(name: str) -> Case:
    """Torchvision's network, its random weights in ours too."""
    return Case(*networks(name, fused=False), DEEP[name], NARROW[name])


def own_case(file: str) -> Case:
    """A classifier of our own; the peer hooks its modules."""
    model = cl.load(file)
    if not isinstance(model, Classifier):
        raise ValueError(f"{file}: need a classifier, got {type(model).__name__}")

    def layer(tap: str) -> Layer:
        return Layer(tap, lambda network: network.trunk.get_submodule(model.trunk.steps[tap].layers[-1]))

    narrowest = min(model.explained().passed_taps, key=model.trunk.channels)
    return Case(model, model, layer(model.taps[-1]), layer(narrowest))


def differences(name: str, case: Case) -> list[float]:
    """The largest difference of each method's maps on a network; a ValueError where one is too large."""
    model, peer = case.model, case.peer
    (one,) = crops(1, SMALL_SIDE)
    pictures = crops(2, model.preprocess(one).shape[-1])  # as the network takes them: resizing is not what is compared
    with torch.no_grad():
        likeliest = int(peer(torch.cat([model.preprocess(picture) for picture in pictures])).sum(dim=0).argmax())

    def score(scores: torch.Tensor) -> torch.Tensor:
        return scores[..., likeliest] * SCALE

    offs = []
    for method, peers_name in PEERS.items():
        if method == "ablationcam":  # in float32 lost in rounding
            model, peer = model.double(), peer.double()
        where = case.narrow if method in PASSES else case.deep
        expected = theirs(peers_name, peer, where, model, pictures, [score] * len(pictures))()
        shown = [number for number, one in enumerate(expected) if np.ptp(one) > 0.9]
        if not shown:
            raise ValueError(f"{name}, {method}: need a map, got nothing but maps that are the same everywhere")
        found = list(variants(method, model, where.tap, pictures, score))
        offs.append(max(min(largest(one[number], expected[number]) for one in found) for number in shown))
        print(f"{name} {method}: {offs[-1]:.1e}", flush=True)
        if not offs[-1] <= TOLERANCE:
            raise ValueError(f"{name}, {method}: need maps within {TOLERANCE:g} of the peer's, got {offs[-1]:g}")
    return offs


def variants(
    method: str,
    model: Classifier,
    tap: str,
    pictures: Sequence[NDArray[Any]],
    score: Callable[[torch.Tensor], torch.Tensor],
) -> Iterator[Maps]:
    """Our maps, made as the peer makes them; where the sign is free both."""
    with (
        mock.patch("convolens.explanation.perturbation.to_input", corners_aligned),
        mock.patch.dict(METHODS, eigencam=Method(centered_eigencam)),
    ):
        found = cl.explain(model, pictures, target=score, method=method, taps=tap, batch=BATCH)
    for sign in (1, -1) if method == "eigencam" else (1,):
        yield np.stack([normalized(sign * one.grids[tap], one.heatmap.shape) for one in found])


def centered_eigencam(view: View, target: Target) -> torch.Tensor:
    """Each feature less its mean over the picture first, as the peer has it."""
    centered = view.activations - view.activations.mean(dim=(2, 3), keepdim=True)
    return eigencam(replace(view, activations=centered), target)


def corners_aligned(grid: torch.Tensor, height: int, width: int, field: object) -> torch.Tensor:
    """How the peer stretches Score-CAM's masks, wherever their cells look."""
    del field
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


def ours(method: str, model: Classifier, tap: str, pictures: Sequence[NDArray[Any]]) -> Callable[[], Maps]:
    """As the peer gives them: rectified, from 0 to 1, stretched, and once more from 0 to 1."""

    def maps() -> Maps:
        found = cl.explain(model, pictures, method=method, taps=tap, batch=BATCH)
        return np.stack([normalized(one.grids[tap], one.heatmap.shape) for one in found])

    return maps


def normalized(grid: Maps, size: tuple[int, ...]) -> Maps:
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
    if sys.argv[1:2] == ["parity"]:
        parity(sys.argv[2:])
    elif sys.argv[1:] == ["memory"]:
        memory()
    else:
        run()
