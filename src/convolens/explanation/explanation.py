"""The result: which pixels spoke for a score, as a map in the picture's own pixels, an overlay and a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from convolens.first_use import loaded
from convolens.media.annotate import place
from convolens.media.showing import Drawn

# Of the maximum: Zhou et al. 2016, section 3.
BOX_THRESHOLD = 0.2


@dataclass(frozen=True, repr=False)
class Explanation(Drawn):
    """Where in a picture a score came from.

    Attributes:
        heatmap: `(H, W)` float32 in the picture's own pixels; 0 outside the crop that the network gets.
        score: what is explained: the class's score before softmax.
        probability: how likely the class is, of a detection's object its score; None for what is no class: a function,
            or why one class rather than another.
        label: the class's name.
        method: how the map was made.
        grids: the map at each tap (or at the input) before ReLU and upsampling, in the method's own units.
        picture: what was explained.
        found_xyxy: of a detection, the object's own box `(x1, y1, x2, y2)` in the picture's pixels.
    """

    heatmap: Float32[np.ndarray, "height width"]
    score: float
    label: str
    method: str
    grids: Mapping[str, NDArray[np.float32]]
    picture: NDArray[Any]
    found_xyxy: tuple[float, float, float, float] | None = None
    probability: float | None = None

    def overlay(self, *, strength: float = 0.5) -> UInt8[np.ndarray, "height width 3"]:
        """The picture with its map over it: hot where most spoke for the class, unchanged where nothing did.

        Args:
            strength: how much of the picture the hottest place covers, from 0 to 1.
        """
        from convolens.media.draw import overlay

        return overlay(self.picture, self.normalized(), strength=strength)

    def drawn(self) -> UInt8[np.ndarray, "height width 3"]:
        """The overlay, enlarged where it is too small to read, and of a detection its own box."""
        from convolens.media.draw import draw_boxes, legible, overlay

        shown = overlay(legible(self.picture)[0], self.normalized())
        if self.found_xyxy is None:
            return shown
        scale = shown.shape[1] / self.picture.shape[1]
        return draw_boxes(shown, np.array([self.found_xyxy]) * scale, [self.label], [self.probability or 0.0])

    def __str__(self) -> str:
        where = place(self.box()) if self.box() else "nowhere"
        return f"{self.label} {self.score_text}  {where}"

    def __repr__(self) -> str:
        height, width = self.heatmap.shape
        return (
            f"Explanation({self.label} {self.score_text}, {self.method} at {', '.join(self.grids)}, {height}×{width})"
        )

    @property
    def score_text(self) -> str:
        """The probability of the class as text, or the score of what is no class."""
        return f"(score {self.score:.2f})" if self.probability is None else f"{self.probability:.1%}"

    def normalized(self) -> Float32[np.ndarray, "height width"]:
        """The map from 0 to 1: its positive part over its maximum; 0 everywhere where nothing is positive."""
        positive = self.heatmap.clip(min=0)
        highest = positive.max()
        return positive / highest if highest > 0 else positive

    def box(self, threshold: float = BOX_THRESHOLD) -> tuple[int, int, int, int] | None:
        """`(x1, y1, x2, y2)` around the largest connected part above a fraction of the maximum; None for an empty map.

        Args:
            threshold: the fraction, 20% as in Zhou et al. 2016. Pixels that touch by a side are connected.
        """
        return largest_box(self.heatmap, threshold)


def largest_box(heatmap: Float[np.ndarray, "height width"], threshold: float) -> tuple[int, int, int, int] | None:
    """The half-open box around the largest connected part above `threshold` · maximum.

    >>> largest_box(np.array([[0.0, 9.0, 0.0], [3.0, 0.0, 0.0], [3.0, 3.0, 0.0]]), 0.2)
    (0, 1, 2, 3)
    """
    ndimage = loaded("scipy.ndimage")

    if not heatmap.max() > 0:
        return None
    parts, _ = ndimage.label(heatmap > threshold * heatmap.max())
    largest = int(np.bincount(parts.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(parts)[largest]
    return columns.start, rows.start, columns.stop, rows.stop
