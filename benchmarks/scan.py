"""A picture scanned in one pass, against its windows taken one by one: how much faster, and how far they differ.

VGG pads: a lone window sees zeros around it, the map sees its neighbours. How much that matters is measured on photos,
with the only weights that learned from photos and come with a package (`hed`), under two heads: one taught to name
three surfaces, and VGG16's own dense layers with random weights and 1000 classes, which no class prefers.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import convolens as cl
from benchmarks.harness import Report, largest_difference
from convolens.models.classify import Classifier

WINDOW, STRIDE, SIDE = 224, 32, 448
SURFACES = ("brick", "grass", "gravel")
PHOTOS = (*SURFACES, "astronaut", "camera", "mosaic")
AT_ONCE = 8  # windows; more is not faster


@torch.inference_mode()
def run() -> None:
    torch.set_num_threads(cl.threads())
    body = cl.trunk("vgg16", weights="hed", ceil_mode=False)
    models = {"a trained head": _surfaces(body), "VGG16's dense layers at random": _random(body)}
    batches = {name: body.preprocess(_photo(name)) for name in PHOTOS}
    report = Report("scan", "Scanning", _note(body, models, batches))
    model, batch = models["VGG16's dense layers at random"], batches["mosaic"]
    scanner = cl.convolutionalize(model, WINDOW)
    report.row(
        f"VGG16 with 1000 classes, {SIDE}×{SIDE}, 64 windows of {WINDOW}",
        lambda: scanner(batch).numpy(),
        {"window by window": lambda: _as_map(torch.cat([model(one) for one in _windows(batch, 1)]))},
        # What padding shows; that they are equal without it is tested in tests/features/test_convolutionalize.py.
        tolerance=1.0,
        seconds=1.0,
    )
    report.write()


def _note(body: nn.Module, models: dict[str, Classifier], batches: dict[str, Tensor]) -> str:
    """How often the map and lone windows agree on the likeliest class, and how far their scores lie apart."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for batch in batches.values():
        alone = torch.cat([body(part)["pool5"] for part in _windows(batch, AT_ONCE)])
        for name, model in models.items():
            scores = cl.convolutionalize(model, WINDOW)(batch).numpy()
            lone = _as_map(model.head([alone]))
            agreeing = float((scores.argmax(1) == lone.argmax(1)).mean())
            found[name].append((agreeing, largest_difference(scores, lone)))
    figures = "; ".join(
        f"{name}: the same class in {np.mean([agreeing for agreeing, _ in each]):.1%} of the windows, scores up to "
        f"{max(apart for _, apart in each):.0%} of the largest apart"
        for name, each in found.items()
    )
    return (
        "VGG16 pads, so a lone window sees zeros where the map sees its neighbours. On `hed` features, "
        f"{len(PHOTOS)} pictures of {SIDE}×{SIDE} ({', '.join(PHOTOS)}) and {len(PHOTOS) * 64} windows, map and lone "
        f"windows give, with {figures}."
    )


def _surfaces(body: nn.Module) -> Classifier:
    """A linear head on the mean of pool5, by least squares on windows from the left parts of three photos."""
    model = cl.classifier(body, classes=SURFACES, taps="pool5")
    crops = [_pixels(name)[top : top + WINDOW, left : left + WINDOW]
             for name in SURFACES for top in (0, 144, 288) for left in (0, 56, 112)]  # fmt: skip
    features = torch.cat([model.features(model.preprocess(crop)) for crop in crops])
    center, scale = features.mean(0), features.std() * features.shape[1] ** 0.5
    seen, truth = (features - center) / scale, torch.eye(3).repeat_interleave(9, dim=0) - 1 / 3
    weight = torch.linalg.solve(seen.T @ seen + 1e-3 * torch.eye(seen.shape[1]), seen.T @ truth).T / scale
    model.head.linear.weight.copy_(weight)
    model.head.linear.bias.copy_(-weight @ center)
    return model


def _random(body: nn.Module) -> Classifier:
    """VGG16's own head with random weights that keep the size of what passes."""
    model = cl.classifier(body, classes=[f"class {number}" for number in range(1000)], head="original")
    generator = torch.Generator().manual_seed(0)
    for layer in model.head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, (2 / layer.in_features) ** 0.5, generator=generator)
            nn.init.zeros_(layer.bias)
    return model


def _photo(name: str) -> NDArray[Any]:
    """448×448 pixels of a photo; the mosaic is of the surfaces' right parts, which the head has not seen."""
    if name == "mosaic":
        parts = [_pixels(surface)[32:480, -150:] for surface in SURFACES]
        return np.hstack(parts)[:, :SIDE]
    return _pixels(name)[32 : 32 + SIDE, 32 : 32 + SIDE]


def _pixels(name: str) -> NDArray[Any]:
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise SystemExit("scan: needs scikit-image's photos; pip install scikit-image")
    return cl.read_image(Path(package.origin).parent / "data" / f"{name}.png")


def _windows(batch: Tensor, at_once: int) -> Iterator[Tensor]:
    cells = batch.unfold(2, WINDOW, STRIDE).unfold(3, WINDOW, STRIDE)
    yield from cells.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).split(at_once)


def _as_map(scores: Tensor) -> NDArray[Any]:
    side = int(len(scores) ** 0.5)
    return scores.T.reshape(1, -1, side, side).numpy()
