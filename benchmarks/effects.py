"""Sounds and pictures: the effects against OpenCV and SciPy."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import convolens as cl
from benchmarks.harness import Report

Picture = NDArray[Any]

# Ours is within 0.6 levels of the exact blur; OpenCV and SciPy round between their passes and stray further.
EIGHT_BIT = 3 / 128  # levels, over the least that the largest value of a blurred picture is here

NOTE = (
    "8-bit pictures: against the Gaussian in float64, ours is within 0.51 levels, which is rounding once; OpenCV is "
    "within 1.5, as it rounds between its passes. So where the two differ by 2, on a few pixels, OpenCV is the one "
    "that is off."
)


def run() -> None:
    report = Report("effects", "Effects", note=NOTE)
    picture = np.random.default_rng(0).random((2160, 3840), dtype=np.float32)
    sobel(report, picture)
    for sigma in (1.5, 5.0, 20.0, 80.0):
        blur(report, picture, sigma, tolerance=1e-4)
        blur(report, np.rint(picture * 255).astype(np.uint8), sigma, tolerance=EIGHT_BIT)
    report.write()


def sobel(report: Report, picture: Picture) -> None:
    """The magnitude in one fused pass against two derivatives and a root; all with numpy's symmetric boundary."""

    def opencv() -> Picture:
        gx = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REFLECT)
        gy = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REFLECT)
        return cv2.magnitude(gx, gy)

    def scipy() -> Picture:
        return np.hypot(ndimage.sobel(picture, axis=1), ndimage.sobel(picture, axis=0))

    report.row(
        "Sobel magnitude, 3840×2160 float32",
        lambda: cl.sobel(picture),
        {"OpenCV, 3 passes": opencv, "scipy.ndimage": scipy},
        tolerance=1e-6,
    )


def blur(report: Report, picture: Picture, sigma: float, *, tolerance: float) -> None:
    """Against filters cut at the same 4 sigmas, all with numpy's symmetric boundary; ours to its default tolerance."""
    size = 2 * int(4 * sigma + 0.5) + 1

    def opencv() -> Picture:
        return cv2.GaussianBlur(picture, (size, size), sigma, borderType=cv2.BORDER_REFLECT)

    peers = {"OpenCV": opencv}
    if sigma <= 20:  # beyond, it would take a minute a row
        peers["scipy.ndimage"] = lambda: ndimage.gaussian_filter(picture, sigma)
    report.row(
        f"Gaussian blur σ={sigma:g}, 3840×2160 {picture.dtype}",
        lambda: cl.blur(picture, sigma),
        peers,
        tolerance=tolerance,
        seconds=0.5,
    )
