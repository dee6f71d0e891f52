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


def run() -> None:
    report = Report("effects", "Effects")
    sobel(report, np.random.default_rng(0).random((2160, 3840), dtype=np.float32))
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
