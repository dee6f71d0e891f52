"""Pictures in another size, derivatives of Gaussians, and means where pixels are missing, beside who does each best."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

import convolens as cl
from benchmarks.harness import Report

NOTE = (
    "Bytes are within a level: Pillow and OpenCV round between their passes or to fixed point. Derivatives are cut at "
    "ndimage's 4 sigmas, here as there. Astropy fills missing pixels from their neighbours, which ours, with the "
    "weights 0 there, does not count; where the kernel is all the same, so are the results."
)
LEVEL = 2 / 255
PHOTO = (3000, 4000, 3)


def run() -> None:
    report = Report("sizes", "Sizes, derivatives, missing pixels", note=NOTE)
    rng = np.random.default_rng(0)
    smooth = cl.blur(rng.random(PHOTO, dtype=np.float32), 3)
    photo = np.rint((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    resized(report, photo)
    line = photo[:1080, :1920, 0].astype(np.float32) / 255
    for sigma in (1.5, 5.0, 20.0):
        derived(report, line, sigma)
    missing(report, line[:512, :512].astype(np.float64), rng)
    report.write()


def resized(report: Report, photo: np.ndarray) -> None:
    """12 megapixels to 1,024 pixels on the longer side."""
    rows, columns = 768, 1024
    report.row(
        "resize by area, 4000×3000 RGB uint8 to 1024×768",
        lambda: cl.resize(photo, (rows, columns), interpolation="area"),
        {"OpenCV, INTER_AREA": lambda: cv2.resize(photo, (columns, rows), interpolation=cv2.INTER_AREA)},
        tolerance=LEVEL,
    )
    for ours, theirs in (("cubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)):
        report.row(
            f"resize, {ours}, the same",
            lambda ours=ours: cl.resize(photo, (rows, columns), interpolation=ours),
            {"Pillow": lambda kind=theirs: np.asarray(Image.fromarray(photo).resize((columns, rows), kind))},
            tolerance=LEVEL,
        )


def derived(report: Report, picture: np.ndarray, sigma: float) -> None:
    """The first derivative down, with numpy's symmetric boundary."""
    report.row(
        f"derivative of a Gaussian, σ={sigma:g}, 1920×1080 float32",
        lambda: cl.blur(picture, sigma, order=(1, 0), truncate=4),
        {"scipy.ndimage": lambda: ndimage.gaussian_filter(picture, sigma, order=(1, 0))},
        tolerance=1e-4,
        seconds=0.5,
    )


def missing(report: Report, picture: np.ndarray, rng: np.random.Generator) -> None:
    """A tenth of the pixels are NaN; a kernel of 15 × 15 that is no product."""
    from astropy.convolution import convolve, convolve_fft

    known = rng.random(picture.shape) > 0.1
    holes = np.where(known, picture, np.nan)
    kernel = np.asarray(cl.kernel("disk", 7))
    report.row(
        "missing pixels, 512×512 float64 by 15×15",
        lambda: cl.convolve(holes, kernel, "same", boundary="wrap", weights=known),
        {
            "astropy": lambda: convolve(holes, kernel, boundary="wrap", nan_treatment="interpolate"),
            "astropy, FFT": lambda: convolve_fft(holes, kernel, boundary="wrap", nan_treatment="interpolate"),
        },
        tolerance=1e-8,
        seconds=0.5,
    )


if __name__ == "__main__":
    run()
