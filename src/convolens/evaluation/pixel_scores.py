"""How well scores of pixels tell defects from what is good, over any number of pictures, in constant memory.

Scores are counted in bins that are their own first twenty bits, which order positive numbers of single precision: two
scores in one bin differ by less than 0.05%.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import NDArray

from convolens.first_use import loaded

_BITS = 12  # of a number that are not looked at
_BINS = (0x7F800000 >> _BITS) + 1  # up to infinity
MOST_FALSE = 0.3  # of good pixels, up to which PRO is taken: Bergmann et al., CVPR 2019, section 5.2


def _zeros() -> NDArray[np.float64]:
    return np.zeros(_BINS)


@dataclass
class PixelScores:
    """Counts of pixels by their score.

    Attributes:
        good: of pixels that are good.
        bad: of those that are not.
        covered: of those, each counted as a fraction of its connected region.
        regions: how many.
    """

    good: NDArray[np.float64] = field(default_factory=_zeros)
    bad: NDArray[np.float64] = field(default_factory=_zeros)
    covered: NDArray[np.float64] = field(default_factory=_zeros)
    regions: int = 0

    def add(self, heatmap: Float[ndarray, "height width"], mask: Bool[ndarray, "height width"]) -> None:
        """Counts a picture's pixels."""
        label = loaded("scipy.ndimage").label

        bins = np.maximum(heatmap, 0).astype(np.float32).view(np.uint32) >> _BITS
        self.good += np.bincount(bins[~mask], minlength=_BINS)
        if not mask.any():
            return
        parts, count = label(mask, structure=np.ones((3, 3)))
        inside = parts[mask]
        share = 1 / np.bincount(inside, minlength=count + 1).clip(1)
        self.bad += np.bincount(bins[mask], minlength=_BINS)
        self.covered += np.bincount(bins[mask], weights=share[inside], minlength=_BINS)
        self.regions += count

    def __iadd__(self, other: PixelScores) -> PixelScores:
        self.good += other.good
        self.bad += other.bad
        self.covered += other.covered
        self.regions += other.regions
        return self

    def auroc(self) -> float:
        """Of pairs of a bad and a good pixel, how often the bad one has the higher score; ties count half."""
        below = np.cumsum(self.good) - self.good / 2
        return float((self.bad * below).sum() / self.bad.sum() / self.good.sum())

    def pro(self) -> float:
        """The per-region overlap: what of each region is at or above a score, its mean over regions, over all scores.

        That is the area under it as a function of the fraction of good pixels that are at or above the score, up to
        `MOST_FALSE`, as a fraction of that. Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.
        """
        false = np.concatenate([[0.0], np.cumsum(self.good[::-1])]) / self.good.sum()
        found = np.concatenate([[0.0], np.cumsum(self.covered[::-1])]) / self.regions
        inside = false <= MOST_FALSE
        last = float(np.interp(MOST_FALSE, false, found))
        x, y = np.append(false[inside], MOST_FALSE), np.append(found[inside], last)
        return float(np.trapezoid(y, x) / MOST_FALSE)
