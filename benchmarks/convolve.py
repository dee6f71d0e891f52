"""One convolution against everyone's: `cl.convolve` and the best of NumPy, SciPy, OpenCV and torch, case by case.

Each peer does the same problem in its own best way; what it cannot do (any size, in a bearable time) it is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from scipy import ndimage, signal

import convolens as cl
from benchmarks.harness import Report

Peers = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Case:
    """One cell of the grid."""

    name: str
    ours: Callable[[], Any]
    peers: Peers
    repeats: int = 1


def run() -> None:
    report = Report("convolve", "One convolution")
    for case in cases():
        report.row(case.name, case.ours, case.peers, tolerance=1e-3, seconds=0.5, repeats=case.repeats)
    report.write()


def cases() -> Iterator[Case]:
    random = np.random.default_rng(0)
    draw = lambda *shape: random.standard_normal(shape, dtype=np.float32)  # noqa: E731
    yield from lines(draw)
    yield echo(draw)
    yield from pictures(draw)
    yield from small(draw)
    yield from volumes(draw)


def lines(draw: Callable[..., Any]) -> Iterator[Case]:
    million = draw(1_000_000)
    for taps in (16, 1024, 48_000):
        kernel = draw(taps)
        peers = fourier(million, kernel)
        if taps <= 1024:
            peers |= {"numpy": lambda k=kernel: np.convolve(million, k)} | opencv_line(million, kernel)
        if taps == 16:
            peers |= torch_peer(million, kernel)
        yield Case(f"1-D 1,000,000 × {taps:,}", lambda k=kernel: cl.convolve(million, k), peers)
    x, kernel = draw(2000), draw(64)
    peers = fourier(x, kernel) | {"numpy": lambda: np.convolve(x, kernel)} | opencv_line(x, kernel)
    peers |= torch_peer(x, kernel)
    yield Case("1-D 2,000 × 64", lambda: cl.convolve(x, kernel), peers, repeats=100)


def echo(draw: Callable[..., Any]) -> Case:
    """Stereo of 26 million samples, five nonzeros over two seconds of 44.1 kHz."""
    sound = draw(26_000_000, 2)
    kernel = np.zeros((88_200, 1), np.float32)
    kernel[[0, 11_025, 30_870, 57_330, 88_199], 0] = 1, 0.5, 0.35, 0.2, 0.1

    def slices() -> Any:
        out = np.zeros((len(sound) + len(kernel) - 1, 2), np.float32)
        for at in np.flatnonzero(kernel):
            out[at : at + len(sound)] += kernel[at] * sound
        return out

    peers = {
        "scipy oaconvolve": lambda: signal.oaconvolve(sound, kernel, axes=0),
        "numpy, by hand": slices,
    }
    return Case("26,000,000 × 2 by an echo of 5 taps in 88,200", lambda: cl.convolve(sound, kernel), peers)


def pictures(draw: Callable[..., Any]) -> Iterator[Case]:
    picture = draw(2160, 3840)
    for size in (3, 7):
        kernel = draw(size, size)
        peers = opencv(picture, kernel) | fourier(picture, kernel, "same") | torch_peer(picture, kernel, "same")
        if size == 3:
            peers |= {"ndimage": lambda k=kernel: ndimage.convolve(picture, k, mode="constant")}
        yield Case(f"2-D 3840×2160 × {size}×{size} dense", lambda k=kernel: same(picture, k), peers)
    column, row = draw(15), draw(15)
    product = np.multiply.outer(column, row)
    separate = {"OpenCV sepFilter2D": lambda: separately(picture, column, row)}
    peers = opencv(picture, product) | separate
    yield Case("2-D 3840×2160 × 15×15 of rank one", lambda: same(picture, product), peers)
    terms = [(draw(31), draw(31)) for _ in range(2)]
    two = sum(np.multiply.outer(column, row) for column, row in terms)
    separate = {"OpenCV sepFilter2D, twice": lambda: sum(separately(picture, *term) for term in terms)}
    yield Case("2-D 3840×2160 × 31×31 of rank two", lambda: same(picture, two), opencv(picture, two) | separate)
    dense = draw(63, 63)
    peers = opencv(picture, dense) | fourier(picture, dense, "same")
    yield Case("2-D 3840×2160 × 63×63 dense", lambda: same(picture, dense), peers)
    gray = np.random.default_rng(1).integers(0, 256, (1080, 1920), dtype=np.uint8)
    kernel = draw(5, 5)
    peers = opencv(gray, kernel) | torch_peer(gray.astype(np.float32), kernel, "same")
    yield Case("2-D 1920×1080 uint8 × 5×5", lambda: same(gray, kernel), peers)


def small(draw: Callable[..., Any]) -> Iterator[Case]:
    x, kernel = draw(64, 64), draw(3, 3)
    peers = opencv(x, kernel) | fourier(x, kernel, "same") | torch_peer(x, kernel, "same")
    peers |= {"ndimage": lambda: ndimage.convolve(x, kernel, mode="constant")}
    yield Case("2-D 64×64 × 3×3, 10,000 calls", lambda: same(x, kernel), peers, repeats=1000)
    column, row = draw(1000, 1), draw(1, 1000)
    peers = fourier(column, row) | {"scipy oaconvolve": lambda: signal.oaconvolve(column, row)}
    yield Case("2-D (1000, 1) × (1, 1000)", lambda: cl.convolve(column, row), peers, repeats=10)


def volumes(draw: Callable[..., Any]) -> Iterator[Case]:
    volume = draw(128, 128, 128)
    for size in (5, 15):
        kernel = draw(size, size, size)
        peers = fourier(volume, kernel, "same")
        if size == 5:
            peers |= torch_peer(volume, kernel, "same")
            peers |= {"ndimage": lambda k=kernel: ndimage.convolve(volume, k, mode="constant")}
        yield Case(f"3-D 128³ × {size}³", lambda k=kernel: same(volume, k), peers)


def same(x: Any, kernel: Any) -> Any:
    return cl.convolve(x, kernel, "same")


def fourier(x: Any, kernel: Any, mode: str = "full") -> Peers:
    return {
        "scipy fftconvolve": lambda: signal.fftconvolve(x, kernel, mode),
        "scipy oaconvolve": lambda: signal.oaconvolve(x, kernel, mode),
        "scipy convolve": lambda: signal.convolve(x, kernel, mode),
    }


def opencv(x: Any, kernel: Any) -> Peers:
    """OpenCV correlates, so it gets the kernel flipped; float32 out, zeros around."""
    flipped = kernel[::-1, ::-1].copy()
    return {"OpenCV filter2D": lambda: cv2.filter2D(x, cv2.CV_32F, flipped, borderType=cv2.BORDER_CONSTANT)}


def opencv_line(x: Any, kernel: Any) -> Peers:
    """A line as a picture of one row, extended beforehand, as OpenCV gives no more outputs than inputs."""
    flipped, margin = kernel[::-1].copy()[None], len(kernel) - 1
    padded = np.pad(x, (0, margin))[None]
    anchor = (margin, 0)
    return {
        "OpenCV filter2D": lambda: cv2.filter2D(
            padded, cv2.CV_32F, flipped, anchor=anchor, borderType=cv2.BORDER_CONSTANT
        )[0]
    }


def separately(picture: Any, column: Any, row: Any) -> Any:
    return cv2.sepFilter2D(picture, cv2.CV_32F, row[::-1], column[::-1], borderType=cv2.BORDER_CONSTANT)


def torch_peer(x: Any, kernel: Any, mode: str = "full") -> Peers:
    convolution = (None, torch.conv1d, torch.conv2d, torch.conv3d)[x.ndim]
    signal_ = torch.from_numpy(x)[None, None]
    weights = torch.from_numpy(np.flip(kernel).copy())[None, None]
    padding = [k - 1 if mode == "full" else k // 2 for k in kernel.shape]
    return {f"torch conv{x.ndim}d": lambda: convolution(signal_, weights, padding=padding)[0, 0]}
