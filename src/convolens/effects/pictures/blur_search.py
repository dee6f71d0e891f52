"""Which blur a picture has: the kind of kernel and its width, from the picture's spectrum alone.

A photo's power falls with frequency as about a power of it, so that of a blurred one is to be expected as

    E|Y(ω)|² = ω⁻ᵖ · a(direction) · |H(ω)|² + N

The rings and lines where a lens out of focus or a moved camera leaves nothing, and the parabola that a Gaussian cuts
out of the logarithm, are in |H|². Mean powers of overlapping tiles are compared with that by their likelihood (Whittle,
"The analysis of multiple stationary time series", 1953), p, a and N fitted anew for each kernel by Fisher's scoring;
the likeliest kernel wins. Edges say less: texture that was sharp looks, once blurred, as sharp as a narrower blur.

Some hundred fits to 4,000 frequencies, whatever the size of the picture: two seconds, and the time to read it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from convolens.arrays import as_array
from convolens.convolution.named import NamedKernel
from convolens.effects.kernels import kernel
from convolens.effects.pictures.picture import check_picture
from convolens.errors import ArgumentError, NothingFoundError, ShapeError, need_one_of
from convolens.first_use import loaded

KINDS = ("gaussian", "disk", "motion")
TILE = 128
_MIN_SIDE = 64
_LOWEST = 3  # cycles in a tile; below, a window leaks
_LEAST = 1e-8  # of the largest power: below, it has leaked from there through a tile's window
_ROUNDS = 10  # of scoring
_MIN_GAIN = 0.008  # of the mean log-likelihood over that of no blur
_MIN_APART = 0.001  # of the mean log-likelihood, by which a Gaussian must be likelier than other kinds
_MAX_SPREAD = 1.1  # by which widths from parts of the spectrum may differ: no more than a width may be off
_RANGES = {"gaussian": (0.8, 12.0, 11), "disk": (1.4, 20.0, 28), "motion": (4.0, 40.0, 16)}  # widths, and how many
_ANGLES = 24


class Blur(NamedTuple):
    """What was found: a kind of kernel, its size in pixels, and of a motion its direction in degrees."""

    kind: str
    size: float
    angle: float = 0.0

    @property
    def kernel(self) -> NamedKernel:
        """The kernel itself."""
        return kernel(self.kind, self.size, angle=self.angle if self.kind == "motion" else None)

    def __str__(self) -> str:
        return f"{self.kind} of {self.size:.2f} pixels" + (f" at {self.angle:.0f}°" if self.kind == "motion" else "")


def find_blur(image: Num[Any, "height width ..."], kind: str | None = None) -> Blur:
    """The blur that a picture has, the same everywhere in it.

    Args:
        image: `(H, W)` or `(H, W, C)`, of at least 64 × 64 pixels; opacity does not count.
        kind: `gaussian` (of width sigma), `disk` (a lens out of focus, its radius) or `motion` (its length, and its
            direction in degrees, counterclockwise from the right); the likeliest of them by default.

    Raises:
        NothingFoundError: no blur shows that is wider than a pixel (sigma 0.8, a radius of 1.4, a length of 4) and at
            most 12, 20, 40; or parts of the spectrum contradict one another, as in pictures of writing; or a Gaussian
            and another kind are as likely, which is settled by telling the kind.
        ArgumentError: NaN or infinities.
        ShapeError: not a picture, or a small one.

    >>> from convolens.convolution import convolve
    >>> photo = np.random.default_rng(0).random((128, 128))
    >>> print(find_blur(convolve(photo, kernel("disk", 4), "same"), "disk"))
    disk of 4.02 pixels
    """
    if kind is not None:
        need_one_of("kind", kind, KINDS)
    picture = as_array(image, "image")
    check_picture(picture)
    if min(picture.shape[:2]) < _MIN_SIDE:
        raise ShapeError(f"image: need at least {_MIN_SIDE} × {_MIN_SIDE} pixels to find a blur, got {picture.shape}")
    need_finite(picture)
    spectrum = _Spectrum(_gray(picture))
    if not spectrum.power.any():
        raise NothingFoundError("image: need detail to find a blur in, got one color")
    spectrum.power = np.maximum(spectrum.power, spectrum.power.max() * _LEAST)
    none = spectrum.misfit(None)
    found = [_likeliest(spectrum, one) for one in ((kind,) if kind else KINDS)]
    (misfit, best), *others = sorted(found)
    if not none - misfit > _MIN_GAIN:
        raise NothingFoundError(
            "image: need a blur that shows in its spectrum, found none wider than a pixel; "
            "give the kernel, as cl.kernel('disk', 4), where you know it"
        )
    _check_agreement(spectrum, best)
    if best.kind == "gaussian" and others and others[0][0] - misfit < _MIN_APART:
        raise NothingFoundError(
            f"image: need a spectrum that tells a {best} from a {others[0][1]}, found none that does; "
            "give the kind or the kernel where you know it"
        )
    return best


def need_finite(picture: NDArray[Any]) -> None:
    """Refuses NaN and infinities, which would be everywhere in a spectrum.

    Raises:
        ArgumentError: some.
    """
    if picture.dtype.kind == "f" and not np.isfinite(picture.sum(dtype=np.float64)):
        raise ArgumentError("image: need finite numbers, got NaN or infinities among them")


def _gray(picture: NDArray[Any]) -> NDArray[np.float64]:
    floats = picture.astype(np.float64)
    return floats if floats.ndim == 2 else floats[:, :, : 3 if floats.shape[2] == 4 else None].mean(axis=2)


def _likeliest(spectrum: _Spectrum, kind: str) -> tuple[float, Blur]:
    """The misfit of the best kernel of a kind, and that kernel."""
    low, high, count = _RANGES[kind]
    sizes = np.geomspace(low, high, count)
    angles = np.arange(_ANGLES) * 180 / _ANGLES if kind == "motion" else [0.0]
    coarse = spectrum.thinned(4)

    def misfit(log_size: float, angle: float) -> float:
        return spectrum.misfit(Blur(kind, float(np.exp(log_size)), float(angle)))

    table = np.array([[coarse.misfit(Blur(kind, size, angle), rounds=5) for size in sizes] for angle in angles])
    which, at = divmod(int(table.argmin()), count)
    angle, step = float(angles[which]), 180 / _ANGLES
    ends = sizes[max(at - 1, 0)], sizes[min(at + 1, count - 1)]
    log_size = _minimum(partial(misfit, angle=angle), *np.log(ends))
    if kind == "motion":
        for near in (1.0, 0.4):
            angle = _minimum(partial(misfit, log_size), angle - step * near, angle + step * near)
            log_size = _minimum(partial(misfit, angle=angle), log_size - 0.15 * near, log_size + 0.15 * near)
    best = Blur(kind, float(np.exp(log_size)), angle % 180)
    return spectrum.misfit(best), best


def _minimum(misfit: Callable[[float], float], low: float, high: float, rounds: int = 10) -> float:
    """Where it is least, by the golden section."""
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = misfit(a), misfit(b)
    for _ in range(rounds):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = misfit(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = misfit(b)
    return (low + high) / 2


def _check_agreement(spectrum: _Spectrum, found: Blur) -> None:
    """Refuses a width at the end of those looked for, or one that parts of the spectrum do not agree on."""
    low, high, _ = _RANGES[found.kind]
    if not low * 1.02 < found.size < high / 1.02:
        raise NothingFoundError(
            f"image: need a blur of {low:g} to {high:g} pixels to find it, found none there; give the kernel, "
            f"as cl.kernel({found.kind!r}, …), where you know it"
        )
    if found.kind == "gaussian":
        _check_parts(spectrum, found)
        return
    least = spectrum.misfit(found)
    if min(spectrum.misfit(found._replace(size=found.size * off)) for off in (0.85, 1.15)) - least < _MIN_GAIN:
        raise NothingFoundError(
            f"image: need a spectrum with the zeros of the blur to find how wide it is, found none that tell "
            f"a {found} from others; give the kernel where you know it"
        )


def _check_parts(spectrum: _Spectrum, found: Blur) -> None:
    """A Gaussian leaves no zeros, and what looks like one may be how the picture itself falls off."""
    span = np.log(1.8)
    sizes = [
        np.exp(_minimum(partial(_at_log, part, found), np.log(found.size) - span, np.log(found.size) + span))
        for part in spectrum.quarters()
    ]
    if max(sizes) > _MAX_SPREAD * min(sizes):
        raise NothingFoundError(
            f"image: need a spectrum that says how wide the blur is, got widths from {min(sizes):.2f} to "
            f"{max(sizes):.2f} by parts of it; give the kernel where you know it"
        )


def _at_log(spectrum: _Spectrum, blur: Blur, log: float) -> float:
    return spectrum.misfit(blur._replace(size=float(np.exp(log))))


class _Spectrum:
    """Mean powers of a picture's tiles, and how badly they fit a kernel."""

    def __init__(self, gray: NDArray[np.float64]) -> None:
        power = mean_power(gray)
        self.tile = len(power)
        down, across = np.fft.fftfreq(self.tile)[:, None], np.fft.rfftfreq(self.tile)[None]
        radius, direction = np.hypot(down, across), np.arctan2(down, across + 0 * down)
        self.kept = (radius > _LOWEST / self.tile) & ((across > 0) | (down > 0))
        falling, turns = np.log(radius[self.kept]), direction[self.kept]
        self.power = power[self.kept]
        self.basis = np.stack(
            [np.ones_like(falling), falling] + [wave(times * turns) for times in (2, 4) for wave in (np.cos, np.sin)],
            axis=1,
        )

    def part(self, chosen: NDArray[np.bool_]) -> _Spectrum:
        """Some of the frequencies."""
        made = object.__new__(_Spectrum)
        made.tile, made.kept = self.tile, self.kept.copy()
        made.kept[self.kept] = chosen
        made.power, made.basis = self.power[chosen], self.basis[chosen]
        return made

    def thinned(self, step: int) -> _Spectrum:
        """Every so manieth frequency."""
        return self.part(np.arange(len(self.power)) % step == 0)

    def quarters(self) -> list[_Spectrum]:
        """Those of rows, of columns, and of either diagonal."""
        return [self.part(sign * self.basis[:, wave] > 0) for wave in (2, 3) for sign in (1, -1)]

    def misfit(self, blur: Blur | None, rounds: int = _ROUNDS) -> float:
        """The mean of log μ + P/μ, which is the least for the likeliest μ."""
        seen = self._seen(blur)
        clear = seen > 0.05
        if clear.sum() < 2 * self.basis.shape[1]:
            return np.inf
        model = np.linalg.lstsq(self.basis[clear], np.log(self.power[clear] / seen[clear]), rcond=None)[0]
        noise, least = np.log(np.quantile(self.power, 0.02)), np.inf
        for _ in range(rounds):
            signal = np.exp(np.clip(self.basis @ model, -80, 80)) * seen
            expected = signal + np.exp(noise)
            misfit = float(np.mean(np.log(expected) + self.power / expected))
            if least - misfit < 1e-6:
                return min(least, misfit)
            least = misfit
            slopes = np.column_stack([(signal / expected)[:, None] * self.basis, np.exp(noise) / expected])
            error = np.clip(self.power / expected - 1, -1, 3)
            curvature = slopes.T @ slopes + 1e-6 * len(error) * np.eye(slopes.shape[1])
            step = np.clip(np.linalg.solve(curvature, slopes.T @ error), -1, 1)
            model, noise = model + step[:-1], noise + step[-1]
        return least

    def _seen(self, blur: Blur | None) -> NDArray[np.float64]:
        """|H|² as a tile's window sees it, which is no sharper than its own spectrum."""
        down, across = np.fft.fftfreq(self.tile)[:, None], np.fft.fftfreq(self.tile)[None]
        power = np.ones((self.tile, self.tile)) if blur is None else _response(blur, down, across) ** 2
        for axis in (0, 1):
            power = (np.roll(power, 1, axis) + np.roll(power, -1, axis)) / 6 + power * (2 / 3)
        seen: NDArray[np.float64] = power[:, : self.tile // 2 + 1][self.kept]
        return seen


def _response(blur: Blur, down: NDArray[Any], across: NDArray[Any]) -> NDArray[np.float64]:
    """H of the kernel before pixels are made of it."""
    if blur.kind == "motion":
        turned = np.deg2rad(blur.angle)
        along: NDArray[np.float64] = np.sinc(blur.size * (across * np.cos(turned) - down * np.sin(turned)))
        return along
    turns = 2 * np.pi * blur.size * np.hypot(down, across)
    if blur.kind == "gaussian":
        falling: NDArray[np.float64] = np.exp(-(turns**2) / 2)
        return falling
    j1 = loaded("scipy.special").j1

    turns = np.maximum(turns, 1e-9)
    rings: NDArray[np.float64] = 2 * j1(turns) / turns
    return rings


def mean_power(gray: NDArray[np.float64], most: int = TILE) -> NDArray[np.float64]:
    """Power at each frequency, the mean over tiles under Hann's window that overlap by half (Welch 1967)."""
    rfft2 = loaded("scipy.fft").rfft2

    tile = min(most, *gray.shape)
    line = np.hanning(tile + 2)[1:-1]
    window = np.outer(line, line)
    window /= np.sqrt((window**2).sum())
    places = [_places(side, tile) for side in gray.shape]
    total = np.zeros((tile, tile // 2 + 1))
    for row in places[0]:
        for column in places[1]:
            part = gray[row : row + tile, column : column + tile]
            total += np.abs(rfft2((part - (part * window**2).sum()) * window)) ** 2
    return total / (len(places[0]) * len(places[1]))


def _places(side: int, tile: int) -> NDArray[np.int64]:
    count = max(1, round((side - tile) / (tile / 2)) + 1)
    return np.unique(np.linspace(0, side - tile, count).astype(np.int64))
