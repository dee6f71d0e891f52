"""The public calls that take tensors or a device, each on numbers that are the same wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import convolens as cl

Call = Callable[[torch.device], Sequence[Any]]


def numbers(*shape: int, seed: int = 0, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


def picture(device: torch.device) -> Tensor:
    return torch.rand(40, 56, 3, generator=torch.Generator().manual_seed(3)).to(device)


def _of_picture(filtered: Callable[..., Any], **options: Any) -> Call:
    return lambda device: [filtered(picture(device), **options)]


def _convolutions(device: torch.device) -> list[Any]:
    x, kernel = numbers(3, 40, 50, device=device), numbers(3, 5, 7, seed=1, device=device)
    found = [cl.convolve(x, kernel, mode) for mode in ("full", "same", "valid")]
    found += [cl.correlate(x, kernel, "same", boundary=name) for name in ("constant", "edge", "reflect", "wrap")]
    large = numbers(2000, seed=2, device=device)
    return [*found, cl.convolve(numbers(9000, device=device), large)]


def _gradients(device: torch.device) -> list[Any]:
    x, kernel = numbers(20, 30, device=device), numbers(3, 5, seed=1, device=device)
    upstream = numbers(22, 34, seed=2, device=device)
    return list(cl.convolve_gradients(x, kernel, upstream, "full"))


def _layers(device: torch.device) -> list[Any]:
    found = []
    for kernel, stride, dilation, groups in ((3, 1, 1, 1), (1, 2, 1, 1), (7, 2, 1, 1), (3, 1, 2, 4), (3, 1, 1, 8)):
        x = numbers(2, 8, 24, 28, device=device)
        weight = numbers(16, 8 // groups, kernel, kernel, seed=1, device=device)
        how = {"stride": stride, "padding": kernel // 2, "dilation": dilation, "groups": groups}
        y = cl.layers.conv2d(x, weight, None, **how)
        found += [y, *cl.layers.conv2d_backward(x, weight, torch.ones_like(y), **how)]
    pooled, argmax = cl.layers.max_pool2d(numbers(2, 8, 24, 28, device=device), 3, 2, return_argmax=True)
    return [*found, pooled, argmax]


def _sounds(device: torch.device) -> list[Any]:
    sound, room = numbers(8000, device=device) * 0.1, numbers(800, seed=1, device=device) * 0.05
    return [cl.echo(sound, 8000, [0.1, 0.25], [0.5, 0.3], feedback=0.2), cl.reverb(sound, room)]


def _features(device: torch.device) -> list[Any]:
    found: list[Any] = []
    for name in ("vgg11", "resnet18"):
        trunk = cl.trunk(name, device=str(device))
        maps = trunk(numbers(2, 3, 64, 64, device=device), taps=trunk.taps[-3:])
        found += [*maps.values(), cl.gram(maps[trunk.taps[-1]][0])]
    return found


def _models(device: torch.device) -> list[Any]:
    photo = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    options: dict[str, Any] = {"classes": 4, "device": str(device)}
    classifier, localizer = cl.classifier("resnet18", **options), cl.localizer("resnet18", **options)
    detector = cl.detector("resnet18", size=128, width=0.25, **options)
    scores = classifier.predict(photo)
    where = localizer(localizer.preprocess([photo]))
    boxes = detector(detector.preprocess([photo]))
    heat = [cl.explain(classifier, photo, method=name).heatmap for name in ("gradcam", "layercam")]
    return [sorted(scores.scores), *where, *boxes, *heat]


def _stylize(device: torch.device) -> list[Any]:
    photo = picture(torch.device("cpu")).numpy()
    trunk = cl.trunk("vgg11", device=str(device))
    return [cl.stylize(photo, photo[::-1].copy(), trunk=trunk, weights=None, steps=3, scales=1, device=str(device))]


CALLS: dict[str, Call] = {
    "convolve, correlate": _convolutions,
    "convolve_gradients": _gradients,
    "blur": _of_picture(cl.blur, sigma=2.5),
    "sharpen": _of_picture(cl.sharpen, amount=1.5),
    "sobel": _of_picture(cl.sobel),
    "scharr": _of_picture(cl.scharr),
    "prewitt": _of_picture(cl.prewitt),
    "laplacian_of_gaussian": _of_picture(cl.laplacian_of_gaussian, sigma=1.5),
    "difference_of_gaussians": lambda device: [cl.difference_of_gaussians(picture(device), 1.5)],
    "canny": _of_picture(cl.canny),
    "echo, reverb": _sounds,
    "layers": _layers,
    "trunk, gram": _features,
    "classifier, localizer, detector, explain": _models,
    "stylize": _stylize,
}
