"""Results that show themselves: in a notebook, in a plot, in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from html import escape
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


class Drawn(ABC):
    """A result with a picture of itself; who derives from it says how it is drawn, and `str` what it says in a line."""

    @abstractmethod
    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """The result as a picture, large enough to be read."""

    def plot(self, axes: Axes | None = None) -> Axes:
        """Shows it with matplotlib, under a line of words.

        Args:
            axes: where; None takes a new figure, which `matplotlib.pyplot.show` opens.

        Returns:
            The axes.
        """
        axes = axes or new_axes()
        axes.imshow(self.drawn())
        axes.set_axis_off()
        return titled(axes, self._in_words())

    def save(self, path: AnyPath) -> Path:
        """Writes the picture of it; the suffix chooses the format. Errors as in `convolens.write_image`."""
        write_image(path, self.drawn())
        return Path(path)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows that takes no HTML; None where there is nothing to draw on."""
        return as_png(self.drawn())

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the picture, and the words below it."""
        png = self._repr_png_()
        return None if png is None else in_html(png, self._in_words())

    def _in_words(self) -> str:
        """What stands beside the picture."""
        return str(self)


def new_axes() -> Axes:
    """Those of a new figure, which `matplotlib.pyplot.show` opens."""
    from matplotlib import pyplot

    axes: Axes = pyplot.subplots(layout="constrained")[1]
    return axes


def titled(axes: Axes, words: str) -> Axes:
    """The axes, under a line of words."""
    from convolens.media.draw import in_figures  # only here: it loads fonts

    axes.set_title(in_figures(words), wrap=True, fontsize="medium")
    return axes


def in_html(png: bytes, words: str) -> str:
    """A picture for a notebook, with words below it."""
    image = f'<img src="data:image/png;base64,{b64encode(png).decode()}" alt="" style="max-width:100%">'
    return f'<figure style="margin:0">{image}<figcaption>{escape(words)}</figcaption></figure>'


def as_png(pixels: Any) -> bytes:
    """A picture as the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
