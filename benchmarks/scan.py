"""A picture scanned in one pass against its windows taken one by one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import convolens as cl
from benchmarks.harness import Report
from convolens.media.images import read_image
from convolens.tasks.classify import Classifier
from convolens.trunks import Scanner

WINDOW = 224
SURFACES = ("brick", "grass", "gravel")


def run() -> None:
    torch.set_num_threads(cl.threads())
    model = _classifier()
    scanner = cl.convolutionalize(model, WINDOW)
    pictures = [scanner.preprocess(picture) for picture in _pictures()]
    with torch.inference_mode():
        agreement = np.mean([_agreement(scanner(one), _windows(model, scanner, one)) for one in pictures])
        report = Report(
            "scan",
            "Scanning",
            f"A classifier of three surfaces on VGG16 (`hed`, pool5, pooled), windows of {WINDOW} at the network's "
            "stride. "
            "VGG pads, so a lone window sees zeros where the map sees its neighbours: on three photos and a mosaic of "
            f"448×448, map and lone windows name the same surface in {agreement:.1%} of the windows.",
        )
        report.row(
            "VGG16, 448×448 picture, 64 windows of 224",
            lambda: scanner(pictures[-1]).numpy(),
            {"window by window": lambda: _windows(model, scanner, pictures[-1]).numpy()},
            tolerance=1.0,  # they differ by what padding shows; the note says how much that matters
            seconds=5,
        )
    report.write()


def _classifier() -> Classifier:
    """A linear head on the mean of pool5, its weights by least squares on windows from the photos' left parts."""
    model = cl.classifier("vgg16", weights="hed", classes=SURFACES, taps="pool5")
    crops = [_surface(name)[top : top + WINDOW, left : left + WINDOW]
             for name in SURFACES for top in (0, 144, 288) for left in (0, 56, 112)]  # fmt: skip
    with torch.inference_mode():
        features = torch.cat([model.features(model.preprocess(crop)) for crop in crops])
    scale = features.std() * features.shape[1] ** 0.5
    truth = torch.eye(3).repeat_interleave(9, dim=0) - 1 / 3
    centred = (features - features.mean(0)) / scale
    weight = torch.linalg.solve(centred.T @ centred + 1e-3 * torch.eye(features.shape[1]), centred.T @ truth).T / scale
    with torch.no_grad():
        model.head.linear.weight.copy_(weight)
        model.head.linear.bias.copy_(-weight @ features.mean(0))
    return model


def _pictures() -> list[np.ndarray]:
    """Three photos, and a mosaic of their right parts that were not learned from."""
    photos = [_surface(name)[-448:, -448:] for name in SURFACES]
    brick, grass, gravel = (photo[:, -176:] for photo in photos)
    return [*photos, np.hstack([brick, grass, gravel])[:, 40:488]]


def _surface(name: str) -> np.ndarray:
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise SystemExit("scan: needs scikit-image's photos; pip install scikit-image")
    return read_image(Path(package.origin).parent / "data" / f"{name}.png")


def _windows(model: torch.nn.Module, scanner: Scanner, picture: Tensor) -> Tensor:
    rows = range(0, picture.shape[2] - WINDOW + 1, scanner.stride)
    columns = range(0, picture.shape[3] - WINDOW + 1, scanner.stride)
    scores = [model(picture[:, :, r : r + WINDOW, c : c + WINDOW]) for r in rows for c in columns]
    return torch.stack(scores, 2).unflatten(2, (len(rows), len(columns)))


def _agreement(scores: Tensor, windows: Tensor) -> float:
    return float((scores.argmax(1) == windows.argmax(1)).float().mean())
