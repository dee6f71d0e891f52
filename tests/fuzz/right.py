"""Every public function with arguments that are right."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from torch import nn

import convolens as cl
from tests.fuzz.networks import PICTURE, TRAIN, listener, network, stage_classes
from tests.fuzz.pictures import png_seeds
from tests.fuzz.sounds import wav_seeds

Arguments = dict[str, Any]
DICE = np.random.default_rng(3)
PIXELS = DICE.integers(0, 255, (9, 12, 3)).astype(np.uint8)
GRAY = DICE.random((9, 12)).astype(np.float32)
SOUND = DICE.standard_normal((60, 2)).astype(np.float32) / 4
ECHOING = np.convolve(DICE.standard_normal(400), np.eye(1, 41)[0] + 0.5 * np.eye(1, 41, 40)[0]).astype(np.float32)
_DISK = cl.kernel("disk", 4)
BLURRED = cl.convolve(np.random.default_rng(3).random((64, 64)), _DISK / _DISK.sum(), mode="same", boundary="wrap")
MAPS = DICE.standard_normal((2, 3, 6, 7)).astype(np.float32)


def _image(luck: Random) -> Any:
    image = luck.choice((PIXELS, PIXELS[..., 0], GRAY, GRAY.astype(np.float64), PIXELS.astype(np.uint16) * 257))
    return torch.from_numpy(np.float32(image)) if luck.random() < 0.2 else image.copy()


def _sound(luck: Random) -> Any:
    samples = luck.choice((SOUND, SOUND[:, 0], SOUND.astype(np.float64)))
    return torch.from_numpy(samples.copy()) if luck.random() < 0.2 else samples.copy()


def _signal(luck: Random) -> Any:
    values = luck.choice((GRAY, SOUND[:, 0].copy(), PIXELS[..., 0].copy(), GRAY.astype(np.complex64), np.arange(20)))
    return torch.from_numpy(values.copy()) if luck.random() < 0.2 and values.dtype.kind == "f" else values.copy()


def _convolution(luck: Random) -> Arguments:
    x = _signal(luck)
    kernel = luck.choice((np.ones((3,) * x.ndim, np.float32), DICE.standard_normal((2, 3)[: x.ndim]).astype(np.float32),
                          np.ones((1,) * x.ndim, np.int64)))  # fmt: skip
    return {"x": x, "kernel": kernel, "mode": luck.choice(("full", "same", "valid")), "axes": None,
            "boundary": "constant", "fill_value": 0, "method": "auto", "tolerance": 0}  # fmt: skip


def _gradients(luck: Random) -> Arguments:
    given = _convolution(luck)
    x, kernel = given["x"], given["kernel"]
    shape = [n + k - 1 for n, k in zip(x.shape, kernel.shape, strict=True)]
    return {"x": x, "kernel": kernel, "upstream": np.ones(shape, np.float32), "mode": "full", "axes": None,
            "boundary": "constant", "fill_value": 0}  # fmt: skip


def _planes(luck: Random) -> Any:
    return torch.from_numpy(MAPS.copy()) if luck.random() < 0.5 else MAPS.copy()


def _conv2d(luck: Random) -> Arguments:
    x = _planes(luck)
    weight = DICE.standard_normal((4, 3, 3, 3)).astype(np.float32)
    weight = torch.from_numpy(weight) if isinstance(x, torch.Tensor) else weight
    return {"x": x, "weight": weight, "bias": weight[:, 0, 0, 0], "stride": 1, "padding": 1, "dilation": 1, "groups": 1}


def _conv2d_backward(luck: Random) -> Arguments:
    given = _conv2d(luck)
    given.pop("bias")
    ones = torch.ones if isinstance(given["x"], torch.Tensor) else np.ones
    return given | {"upstream": ones((2, 4, 6, 7), dtype=given["x"].dtype)}


def _pooled(luck: Random) -> Arguments:
    return {"x": _planes(luck), "size": 2, "stride": 2, "padding": 0, "ceil_mode": False, "dilation": 1,
            "return_argmax": False}  # fmt: skip


def _pool_backward(luck: Random) -> Arguments:
    out, argmax = cl.layers.max_pool2d(MAPS, 2, return_argmax=True)
    return {"upstream": np.ones_like(out), "argmax": argmax, "x_shape": MAPS.shape}


@cache
def place() -> Path:
    """A folder with pictures of two classes, sounds, a picture, a model."""
    folder = Path(mkdtemp(prefix="calls", dir=os.environ.get("CONVOLENS_FUZZ_FOLDER")))
    stage_classes(folder)
    (folder / "a.wav").write_bytes(wav_seeds()[0])
    (folder / "a.png").write_bytes(png_seeds()[0])
    cl.write_audio(folder / "call.wav", np.sin(np.arange(8000) / 3) * (np.arange(8000) > 4000) / 2, 8000)
    return folder


def _explained(luck: Random) -> Arguments:
    return {"model": network(), "images": PICTURE, "counterfactual": False, "taps": None,
            "method": luck.choice(("auto", "gradcam", "cam")), "relu_weights": False, "flip": False,
            "noise_samples": 0, "seed": 0, "batch": 8, "device": "cpu"}  # fmt: skip


def _small() -> nn.Module:
    """A network of somebody else."""
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)]
    return nn.Sequential(*layers).eval()


TRUNK = {"device": "cpu", "seed": 0}
HEADED = {"trunk": "resnet18", "classes": 2, "weights": None, "taps": None, **TRUNK}
OPTIONS = dict(zip([str(one)[2:].replace("-", "_") for one in TRAIN[::2]], TRAIN[1::2], strict=True))
# Every function with arguments that are right, and how often it is called.
CALLS: dict[str, tuple[int, Callable[[Random], Arguments]]] = {
    "convolve": (12, _convolution),
    "correlate": (6, _convolution),
    "plan": (4, _convolution),
    "convolver": (4, lambda luck: {"kernel": np.ones(3, np.float32), "mode": luck.choice(("full", "same", "valid")),
                                   "axis": 0, "axes": None, "boundary": "constant", "fill_value": 0}),
    "convolve_gradients": (6, _gradients),
    "echo": (8, lambda luck: {"samples": _sound(luck), "rate": 1000, "delays": [0.01, 0.02], "weights": [0.5, 0.25],
                              "dry": 1.0, "feedback": 0.0, "sub_sample": False}),
    "echo_kernel": (3, lambda luck: {"rate": 1000, "delays": [0.01], "weights": [0.5], "dry": 1.0,
                                     "sub_sample": False}),
    "spectrogram": (6, lambda luck: {"samples": _sound(luck), "rate": 1000, "n_fft": 16, "hop": 4, "length": 12,
                                     "window": "hann", "center": True, "boundary": "edge", "power": 1.0, "mels": 4,
                                     "low": 0.0, "high": 400.0, "mel_scale": "htk", "mel_norm": None}),
    "reverb": (8, lambda luck: {"samples": (x := _sound(luck)), "impulse": x[:9], "dry": 0.7, "wet": 0.3, "rate": 1000,
                                "impulse_rate": 1000, "pre_delay": 0.0}),
    "unecho": (6, lambda luck: {"samples": SOUND.copy(), "rate": 1000, "delays": [0.01], "weights": [0.5],
                                "reference": None, "regularization": 0.0}),
    "find_echoes": (6, lambda luck: {"samples": ECHOING.copy(), "rate": 1000, "reference": None, "shortest": 0.002,
                                     "longest": 0.1}),
    "read_audio": (2, lambda luck: {"path": place() / "a.wav", "seconds": None}),
    "write_audio": (4, lambda luck: {"path": place() / "out.wav", "samples": SOUND.copy(), "rate": 8000,
                                     "subtype": None}),
    "read_image": (2, lambda luck: {"source": place() / "a.png", "page": None}),
    "write_image": (4, lambda luck: {"path": place() / f"out{luck.choice(('.png', '.jpg', '.tiff', '.webp'))}",
                                     "image": PIXELS.copy()}),
    "draw_boxes": (4, lambda luck: {"image": PIXELS.copy(), "boxes_xyxy": np.float32([[1, 2, 5, 6], [0, 0, 3, 3]]),
                                    "labels": ["a", "b"], "scores": [0.5, 0.25], "kinds": None}),
    "blur": (10, lambda luck: {"image": _image(luck), "sigma": luck.choice((1.5, (1, 2), 30)),
                               "boundary": "symmetric", "fill_value": 0, "tolerance": 1e-4, "truncate": None,
                               "radius": None}),
    "resize": (6, lambda luck: {"image": _image(luck), "size": luck.choice((7, (5, 9))), "antialias": True,
                                "interpolation": luck.choice(("area", "linear", "cubic", "lanczos"))}),
    "unblur": (6, lambda luck: {"image": _image(luck), "kernel": np.full((1, 3), 1 / 3), "noise": 1e-3,
                                "method": luck.choice(("tv", "wiener")), "boundary": luck.choice((None, "wrap"))}),
    "find_blur": (2, lambda luck: {"image": BLURRED.copy(), "kind": luck.choice((None, "disk"))}),
    "sharpen": (6, lambda luck: {"image": _image(luck), "sigma": 1.5, "amount": 1.0, "threshold": 0.0,
                                 "boundary": "symmetric", "fill_value": 0}),
    **{name: (4, lambda luck: {"image": _image(luck), "boundary": luck.choice(("symmetric", "wrap", "constant"))})
       for name in ("sobel", "scharr", "prewitt", "sobel_gradients")},
    "laplacian_of_gaussian": (4, lambda luck: {"image": _image(luck), "sigma": 1.5, "boundary": "reflect",
                                               "truncate": 4.0}),
    "difference_of_gaussians": (4, lambda luck: {"image": _image(luck), "low": 1.5, "high": None,
                                                 "boundary": "edge", "truncate": None}),
    "canny": (6, lambda luck: {"image": _image(luck), "sigma": 1.0, "low": 0.1, "high": 0.2, "quantiles": False,
                            "mask": None, "boundary": "symmetric"}),
    "kernel": (3, lambda luck: {"name": luck.choice(("gaussian", "sobel-x", "disk", "box", "log")), "size": 3}),
    "gram": (4, lambda luck: {"features": _planes(luck), "mask": np.ones((6, 7), np.float32)}),
    "layers.conv2d": (8, _conv2d),
    "layers.conv2d_backward": (4, _conv2d_backward),
    "layers.max_pool2d": (6, _pooled),
    "layers.max_pool2d_backward": (4, _pool_backward),
    "layers.Conv2d": (3, lambda luck: {"in_channels": 3, "out_channels": 4, "kernel_size": 3, "stride": 1, "padding": 0,
                                       "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}),
    "layers.MaxPool2d": (3, lambda luck: {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1,
                                          "return_indices": False, "ceil_mode": False}),
    "memory_limit": (1, lambda luck: {"limit": "2GB"}),
    "convert": (1, lambda luck: {"data": place() / "data", "out": place() / "converted", "to": "csv", "format": None,
                                 "split": None, "group_by": None, "seed": 0, "link": False, "progress": False}),
    "precision": (1, lambda luck: {"mode": "fast"}),
    "threads": (1, lambda luck: {"count": 1}),
    "trunk": (4, lambda luck: {"name": "resnet18", "weights": None, **TRUNK, "channels": 3, "pooling": "max",
                               "ceil_mode": False, "padding_mode": "edge", "stride_in": "conv1", "bias": True,
                               "norm_epsilon": 1e-5, "stem": "small", "width": 1 / 16}),
    "receptive_fields": (1, lambda luck: {"trunk": network().trunk}),
    "convolutionalize": (1, lambda luck: {"model": _small(), "input_size": 8}),
    "share_trunk": (1, lambda luck: {"trunk": network().trunk, "heads": {"a": network()}}),
    "fuse": (1, lambda luck: {"model": _small()}),
    "layers.fuse": (1, lambda luck: {"model": network()}),
    "wrap_module": (1, lambda luck: {"module": _small(), "taps": ["1"], "class_names": ("a", "b"),
                                     "preprocessing": None}),
    "load": (3, lambda luck: {"path": place() / "whole.safetensors", "device": "cpu"}),
    "classifier": (1, lambda luck: {**HEADED, "trunk": network().trunk, "head": "gap", "multi_label": False}),
    "localizer": (1, lambda luck: {**HEADED, "trunk": network().trunk, "hidden": 8}),
    "detector": (1, lambda luck: {**HEADED, "size": 128, "boxes": None, "strides": None, "objectness": "softmax",
                                  "width": 0.25}),
    "explain": (2, lambda luck: {**_explained(luck), "target": None, "against": None}),
    "explain_top": (1, lambda luck: {**_explained(luck), "count": 2}),
    "evaluate": (1, lambda luck: {"model": network(), "data": place() / "data", "split": None, "batch": 4,
                                  "html": None, "progress": False, "device": "cpu"}),
    "stylize": (6, lambda luck: {
        "content": PICTURE, "style": PICTURE[::-1].copy(), "weights": None, "steps": 1,
        "trunk": "resnet18" if luck.random() < 0.1 else network().trunk,
        "content_weight": 1.0, "style_weight": 5.0, "tv_weight": 5.0, "content_taps": ["layer1.0"], "mix": [1.0],
        "tv_color_weight": 10.0,
        "style_taps": ["layer1.0"], "tap_weights": None, "masks": None, "strength": 0.5, "keep_colors": False,
        "size": None, "scales": 1, "optimizer": "lbfgs", "init": None, "seed": 0, "pooling": "max", "padding": "edge",
        "memory": 2.5, "device": "cpu", "resume": None, "on_step": None,
    }),
}  # fmt: skip
# What takes seconds, rarely.
SLOW: dict[str, Callable[[Random], Arguments]] = {
    "train": lambda luck: {
        "task": "classify", "data": place() / "data", "out": place() / "run", "overwrite": True, "progress": False,
        **OPTIONS, "validation": 0.25, "label_smoothing": 0.0, "class_weights": None, "mixup": None, "scale": (0.5, 1),
        "ratio": (0.75, 1.33), "flip": True, "color_jitter": 0.1, "accumulate": 1, "optimizer": "adamw", "lr": 0.01,
        "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.05, "clip_grad": 1.0, "ema": 0.9, "patience": 1,
        "precision": "auto", "taps": None, "weights": None, "checkpoint_seconds": 30.0, "resume": False,
    },
    "export": lambda luck: {
        "model": network(), "path": place() / "model.onnx", "taps": None, "check": PICTURE, "opset": 18,
        "batched": False, "raw": False, "int8": None, "labeled": None, "at_most": 1.0,
        "page": None, "runtime": None,
    },
    "listen": lambda luck: {"model": listener(), "path": place() / "call.wav", "threshold": 0.5},
    "near_copies": lambda luck: {
        "model": network(), "sources": place() / "data", "taps": None, "least": 0.8, "flip": True, "batch": 4,
        "progress": False, "device": "cpu",
    },
    "similar": lambda luck: {
        "model": network(), "picture": PICTURE, "among": place() / "data", "taps": None, "count": 3, "closely": 2,
        "flip": True, "batch": 4, "progress": False, "device": "cpu",
    },
    "quantize": lambda luck: {
        "model": network(), "pictures": [PICTURE], "labeled": None, "at_most": 1.0, "progress": False,
    },
    "learned_edges": lambda luck: {"image": PIXELS.copy(), "device": "cpu"},
    "predict_files": lambda luck: {
        "model": network(), "sources": [place() / "a.png"], "out": place() / "predicted", "batch": 4, "pictures": False,
        "progress": False, "shard": None,
    },
    "features_of_files": lambda luck: {
        "model": network(), "sources": [place() / "a.png"], "out": place() / "features.npz", "taps": None, "batch": 4,
        "shard": None, "progress": False,
    },
}  # fmt: skip
