"""Results that show themselves: in a notebook, in a plot, in a file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from convolens.media.files import AnyPath
from convolens.media.images import write_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Drawn:
    """A result with a picture of itself; who derives from it says how it is drawn, and `str` what it says in a line."""

    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """The result as a picture, large enough to be read."""
        raise NotImplementedError

    def plot(self, axes: Axes | None = None) -> Axes:
        """Shows it with matplotlib, under a line of words.

        Args:
            axes: where; None takes a new figure, which `matplotlib.pyplot.show` opens.

        Returns:
            The axes.
        """
        if axes is None:
            from matplotlib import pyplot

            axes = pyplot.subplots(layout="constrained")[1]
        axes.imshow(self.drawn())
        axes.set_axis_off()
        axes.set_title(str(self), wrap=True, fontsize="medium")
        return axes

    def save(self, path: AnyPath) -> Path:
        """Writes the picture of it; the suffix chooses the format. Errors as in `convolens.write_image`."""
        write_image(path, self.drawn())
        return Path(path)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return as_png(self.drawn())


def as_png(pixels: Any) -> bytes:
    """A picture as the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
