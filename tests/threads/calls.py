"""Calls of every kind, each a function of its number alone, so that any thread must get the same bits from it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import convolens as cl

COUNTS = (1, 2, 3, 4)  # of threads
BOUNDARIES = ("constant", "edge", "reflect", "symmetric", "wrap")


@dataclass(frozen=True)
class Shared:
    """What all threads use at once.

    Attributes:
        folder: where each thread has files of its own.
        models: a classifier, a detector, a fused trunk.
    """

    folder: Path
    models: dict[str, Any]

    def file(self, name: str) -> Path:
        """A path that no other thread writes."""
        return self.folder / f"{threading.get_ident()}-{name}"


def shared(folder: Path) -> Shared:
    """Small models that all threads predict with."""

    def trunk() -> Any:
        return cl.trunk("resnet18", width=1 / 8, device="cpu").eval()

    torch.manual_seed(0)
    models = {
        "classifier": cl.classifier(trunk(), classes=("a", "b", "c")),
        "detector": cl.detector(trunk(), size=96, classes=("a", "b")),
        "fused": cl.fuse(trunk()),
        "vgg": cl.trunk("vgg11", device="cpu").eval(),
    }
    return Shared(folder, models)


def _luck(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def _picture(luck: np.random.Generator, dtype: type = np.float32, most: int = 90) -> np.ndarray:
    rows, columns = luck.integers(8, most, 2)
    values = luck.random((rows, columns, 3))
    return (values * 255).astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def blur(number: int, _: Shared) -> Any:
    """Narrow and wide Gaussians, of integers and floats."""
    luck = _luck(number)
    kind = (np.uint8, np.uint16, np.float32, np.float64)[number % 4]
    return cl.blur(_picture(luck, kind), luck.uniform(0.5, 12), boundary=BOUNDARIES[number % 5])


def large(number: int, _: Shared) -> Any:
    """A result that is large enough for pooled memory and for all threads."""
    picture = _luck(number).random((640, 512), dtype=np.float32)
    return cl.sobel(picture), cl.blur(picture, 3.0)


def edges(number: int, _: Shared) -> Any:
    """The filters that find edges, and sharpening."""
    picture = _picture(_luck(number))
    filters: tuple[Callable[..., Any], ...] = (
        *(cl.sobel, cl.scharr, cl.prewitt, cl.sobel_gradients, cl.canny, cl.sharpen),
        lambda x: cl.laplacian_of_gaussian(x, 1.5),
        lambda x: cl.difference_of_gaussians(x, 1.0),
    )
    return filters[number % len(filters)](picture)


def sounds(number: int, _: Shared) -> Any:
    """Echoes, rooms, and echoes taken away again."""
    luck = _luck(number)
    samples = luck.standard_normal((int(luck.integers(2_000, 9_000)), 2)).astype(np.float32)
    if number % 3 == 0:
        return cl.reverb(samples, luck.standard_normal(int(luck.integers(50, 3_000))).astype(np.float32))
    echoed = cl.echo(samples, 8_000, [0.02, 0.05], [0.5, 0.25], feedback=0.1 * (number % 2))
    return echoed if number % 3 == 1 else cl.unecho(echoed, 8_000, [0.02, 0.05], [0.5, 0.25])


def convolution(number: int, _: Shared) -> Any:
    """Every algorithm that the planner may choose, and gradients."""
    luck = _luck(number)
    shape = tuple(luck.integers(20, 80, 2))
    kernel_shape = tuple(luck.integers(1, 18, 2))
    kind = (np.float32, np.float64, np.complex64, np.int32)[number % 4]
    x, kernel = (luck.uniform(-9, 9, size).astype(kind) for size in (shape, kernel_shape))
    method = ("auto", "auto", "fft", "direct", "overlap_save")[number % 5]
    if number % 7 == 0 and kind != np.int32:
        return cl.convolve_gradients(x, kernel, np.ones_like(cl.convolve(x, kernel)))
    call = cl.correlate if number % 2 else cl.convolve
    if kind == np.int32:
        method = "auto"
    return call(x, kernel, mode=("full", "same", "valid")[number % 3], method=method)


def line(number: int, _: Shared) -> Any:
    """Long lines with long kernels: transforms of blocks, whose tables threads share."""
    luck = _luck(number)
    samples, weights = int(luck.integers(3_000, 30_000)), int(luck.integers(100, 2_000))
    return cl.convolve(luck.standard_normal(samples), luck.standard_normal(weights), mode="same")


def plan(number: int, _: Shared) -> Any:
    """What would be chosen, as text."""
    luck = _luck(number)
    x, kernel = luck.random(tuple(luck.integers(10, 300, 2))), luck.random(tuple(luck.integers(1, 30, 2)))
    return str(cl.plan(x, kernel))


def layer(number: int, _: Shared) -> Any:
    """A layer with its gradients."""
    luck = _luck(number)
    channels, filters, side = (int(n) for n in luck.integers((1, 1, 6), (9, 9, 24)))
    kernel = int(luck.choice((1, 3, 5)))
    module = cl.layers.Conv2d(channels, filters, kernel, stride=int(luck.integers(1, 3)), padding=kernel // 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(luck.standard_normal(tuple(parameter.shape)).astype(np.float32)))
    x = torch.from_numpy(luck.standard_normal((2, channels, side, side)).astype(np.float32)).requires_grad_()
    y = module(x)
    y.square().sum().backward()
    assert x.grad is not None and module.weight.grad is not None
    return y, x.grad, module.weight.grad


def predict(number: int, given: Shared) -> Any:
    """Classes and objects, by models that all threads share."""
    picture = _picture(_luck(number), np.uint8)
    if number % 2:
        return given.models["classifier"].predict(picture).scores
    found = given.models["detector"].predict(picture, threshold=0.0, max_detections=20)
    return found.boxes_xyxy, found.scores


def features(number: int, given: Shared) -> Any:
    """A trunk's values at its taps, fused or as a chain."""
    batch = torch.from_numpy(_luck(number).random((1, 3, 32, 40), dtype=np.float32))
    with torch.no_grad():
        given_back = given.models["fused" if number % 2 else "vgg"](batch)
    return list(given_back.values()) if isinstance(given_back, dict) else given_back


def explain(number: int, given: Shared) -> Any:
    """Why: a map over the picture."""
    picture, model = _picture(_luck(number), np.uint8), given.models["classifier"]
    return cl.explain(model, picture, target="a", taps="layer1.1", device="cpu").heatmap


def build(number: int, given: Shared) -> Any:
    """A new head with random weights of a seed, on a trunk that others predict with."""
    made = cl.classifier(given.models["classifier"].trunk, classes=5, seed=number)
    return [value.clone() for value in made.head.parameters()]


def model_file(number: int, given: Shared) -> Any:
    """A model saved, loaded, and used."""
    path = given.file("model.safetensors")
    given.models["classifier"].save(path)
    return path.read_bytes(), cl.load(path, device="cpu").predict(_picture(_luck(number), np.uint8)).scores


def files(number: int, given: Shared) -> Any:
    """A picture and a sound written and read again."""
    luck = _luck(number)
    picture, sound = given.file("picture.png"), given.file("sound.wav")
    cl.write_image(picture, _picture(luck, (np.uint8, np.uint16)[number % 2]))
    cl.write_audio(sound, luck.uniform(-1, 1, (1_000, 2)).astype(np.float32), 8_000)
    return cl.read_image(picture), cl.read_audio(sound)[0]


def settings(number: int, _: Shared) -> Any:
    """More or fewer threads for everyone, while the others compute."""
    cl.threads(COUNTS[number % len(COUNTS)])
    assert cl.precision("fast") == "fast"
    return number % 4


CALLS: tuple[Callable[[int, Shared], Any], ...] = (
    *(
        blur,
        edges,
        sounds,
        convolution,
        line,
        plan,
        layer,
        predict,
        features,
        explain,
        build,
        model_file,
        files,
        settings,
    ),
    large,
)

# In which torch's own operators may compute; their last bits depend on the number of threads, ours never.
BY_TORCH = (layer, predict, explain, build, model_file, features)
