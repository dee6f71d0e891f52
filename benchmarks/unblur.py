"""What `cl.unblur` brings back of 20 photos, beside the filter that knows the truth's spectrum, and scikit-image's.

    python -m benchmarks.unblur [SIDE [ours]]        SIDE² pixels of each, 128 by default; `ours` leaves out the peers

Four kernels, noise of 1/255.

The photos are those that come with scikit-image and scikit-learn, and crops of them. They are blurred as if they
repeated themselves, which the oracle and scikit-image's filters suppose too (Richardson-Lucy is given the picture
repeated beyond its borders), so that borders favour nobody. Widths are looked for in four times as much of the photo,
rounded to 8 bits, with borders as a camera leaves them. Richardson-Lucy has the best of 5, 10, 20 and 40 iterations,
chosen by the truth.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convolens as cl
from convolens.effects.pictures.blur_search import Blur
from convolens.errors import ArgumentError

NOISE = 1 / 255
KERNELS = {"gaussian": 2.0, "disk": 4.0, "motion": 15.0, "motion at 30°": 12.0}
ITERATIONS = (5, 10, 20, 40)
# A photo, and where its crop begins.
PHOTOS = (
    ("astronaut.png", 0, 128), ("camera.png", 100, 150), ("chelsea.png", 20, 100), ("coffee.png", 80, 150),
    ("rocket.jpg", 150, 200), ("china.jpg", 80, 200), ("flower.jpg", 60, 180), ("motorcycle_left.png", 100, 200),
    ("hubble_deep_field.jpg", 300, 300), ("ihc.png", 100, 100), ("retina.jpg", 500, 400), ("moon.png", 100, 100),
    ("coins.png", 20, 60), ("brick.png", 100, 100), ("gravel.png", 100, 100), ("grass.png", 100, 100),
    ("page.png", 0, 60), ("china.jpg", 160, 380), ("flower.jpg", 160, 300), ("motorcycle_right.png", 240, 440),
)  # fmt: skip


def photo(name: str, row: int, column: int, side: int) -> NDArray[np.float64]:
    """A crop of one of the photos, `(side, side, channels)` in [0, 1]."""
    import skimage
    import sklearn.datasets

    folder = Path(skimage.__file__).parent / "data"
    path = folder / name if (folder / name).exists() else Path(sklearn.datasets.__file__).parent / "images" / name
    whole = np.atleast_3d(cl.read_image(path))[:, :, :3]
    row = max(0, min(row, whole.shape[0] - side))
    return whole[row : row + side, column : column + side] / 255


def blurred(image: NDArray[np.float64], response: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """With noise, as if it repeated itself."""
    seen = np.fft.irfft2(response * np.fft.rfft2(image, axes=(0, 1)), image.shape[:2], axes=(0, 1))
    return seen + NOISE * rng.standard_normal(image.shape)


def response_of(kernel: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[Any]:
    """Its spectrum, the center at the origin."""
    spread = np.pad(kernel, [(0, size - side) for size, side in zip(shape[:2], kernel.shape, strict=True)])
    spread = np.roll(spread, [-((side - 1) // 2) for side in kernel.shape], (0, 1))
    return np.fft.rfft2(spread)[:, :, None]


def oracle(truth: NDArray[np.float64], seen: NDArray[np.float64], response: NDArray[Any]) -> NDArray[np.float64]:
    """The best of all linear filters for this very photo: it knows its spectrum and the noise's."""
    power = np.abs(np.fft.rfft2(truth, axes=(0, 1))) ** 2
    noise = truth.shape[0] * truth.shape[1] * NOISE**2
    X = response.conj() * power / (np.abs(response) ** 2 * power + noise) * np.fft.rfft2(seen, axes=(0, 1))
    return np.fft.irfft2(X, truth.shape[:2], axes=(0, 1))


def psnr(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Of values in [0, 1]."""
    return float(-10 * np.log10(np.mean((found.clip(0, 1) - truth) ** 2)))


def richardson_lucy(seen: NDArray[np.float64], kernel: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """The best PSNR of several numbers of iterations."""
    from skimage.restoration import richardson_lucy as by_peer

    border = 2 * max(kernel.shape)
    wide = np.pad(seen.clip(0, 1), [(border, border), (border, border), (0, 0)], mode="wrap")

    def after(iterations: int) -> float:
        planes = [by_peer(wide[:, :, c], kernel, iterations) for c in range(seen.shape[2])]
        return psnr(np.stack(planes, axis=2)[border:-border, border:-border], truth)

    return max(map(after, ITERATIONS))


def unsupervised_wiener(seen: NDArray[np.float64], kernel: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Orieux et al.'s, which finds its own noise."""
    from skimage.restoration import unsupervised_wiener as by_peer

    planes = [by_peer(seen[:, :, c], kernel, clip=False, rng=0)[0] for c in range(seen.shape[2])]
    return psnr(np.stack(planes, axis=2), truth)


def width_found(image: NDArray[np.float64], blur: Blur, rng: np.random.Generator) -> str:
    """How far off the width is that is found in what a camera would see, or that none is; the kind is not told."""
    seen = cl.convolve(image, np.asarray(blur.kernel), "valid", axes=(0, 1))
    seen = np.rint((seen + NOISE * rng.standard_normal(seen.shape)).clip(0, 1) * 255).astype(np.uint8)
    try:
        found = cl.find_blur(seen)
    except ArgumentError:
        return "refused"
    return f"{found.size / blur.size - 1:+.1%}" if found.kind == blur.kind else f"a {found}"


def main() -> None:
    """Prints a line for each photo and kernel, and what they come to."""
    side, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 128, np.random.default_rng(0)
    alone = sys.argv[2:] == ["ours"]
    print("| photo | kernel | blurred | oracle | ours | wiener | Richardson-Lucy | unsupervised | width |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows: list[list[float]] = []
    widths: list[str] = []
    for name, row, column in PHOTOS:
        whole = photo(name, row, column, side)
        for word, size in KERNELS.items():
            blur = Blur(word.split()[0], size, 30.0 if "30" in word else 0.0)
            kernel = np.asarray(blur.kernel)
            response = response_of(kernel, whole.shape)
            seen = blurred(whole, response, rng)
            ours = [psnr(cl.unblur(seen, kernel, method=m, boundary="wrap"), whole) for m in ("tv", "wiener")]
            others: tuple[float, ...] = ()
            if not alone:
                others = richardson_lucy(seen, kernel, whole), unsupervised_wiener(seen, kernel, whole)
                widths.append(width_found(photo(name, row, column, 2 * side), blur, rng))
            rows.append([psnr(seen, whole), psnr(oracle(whole, seen, response), whole), *ours, *others])
            print(
                f"| {name} | {word} |",
                " | ".join(f"{one:.2f}" for one in rows[-1]),
                f"| {widths[-1] if widths else ''} |",
                flush=True,
            )
    tell(np.array(rows), widths)


def tell(rows: NDArray[np.float64], widths: list[str]) -> None:
    """What the rows come to."""
    best, ours = rows[:, 1], rows[:, 2]
    apart = ours - best
    near = np.mean(apart.reshape(-1, len(KERNELS)), axis=1)
    print(f"\nOurs less the oracle: mean {apart.mean():+.2f} dB, lowest {apart.min():+.2f}; within 0.5 dB, or above,")
    print(f"in {(apart > -0.5).sum()} of {len(apart)}; by the means in {(near > -0.5).sum()} of {len(near)} photos.")
    if not widths:
        return
    for column, name in ((4, "Richardson-Lucy"), (5, "unsupervised Wiener")):
        wins = (ours > rows[:, column]).reshape(-1, len(KERNELS))
        print(f"Better than {name} in {wins.sum()} of {wins.size}; always in {wins.all(axis=1).sum()} photos.")
    told = [float(one[:-1]) for one in widths if one.endswith("%")]
    print(
        f"Widths: {sum(abs(one) <= 10 for one in told)} within 10%, {sum(abs(one) > 10 for one in told)} further off,"
    )
    print(f"{sum(one.startswith('a ') for one in widths)} of another kind, {widths.count('refused')} refused.")


if __name__ == "__main__":
    main()
