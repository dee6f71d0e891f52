"""Arrays that show themselves, as other results do: in a notebook, in a plot, in a file."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.media.showing import Drawn

Number = TypeVar("Number", bound=np.generic)


class ShownArray(Drawn, np.ndarray[Any, np.dtype[Number]]):
    """An array with a look; what is made of it (a slice, a sum, a copy) is an array that has none.

    Attributes:
        words: what it is, in a line; None for an array of which nothing is known.
    """

    words: str | None = None

    @abstractmethod
    def _whole(self) -> UInt8[np.ndarray, "height width 3"]:
        """The look, of an array of which everything is known."""

    def drawn(self) -> UInt8[np.ndarray, "height width 3"]:
        """The array as a picture, large enough to be read.

        Raises:
            ArgumentError: it is a part or a copy of what was made, of which nothing is known.
        """
        if self.words is None:
            raise ArgumentError(f"drawn: need the {type(self).__name__} as it was made, got a part or a copy of it")
        return self._whole()

    def __array_finalize__(self, source: Any) -> None:
        """A view or a copy has the class's attributes: nothing known."""

    def __array_wrap__(self, result: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What arithmetic makes of it is an array, or a number."""
        plain = np.asarray(result)
        return plain if plain.ndim else plain[()]

    def _repr_png_(self) -> bytes | None:
        return None if self.words is None else super()._repr_png_()

    def __str__(self) -> str:
        """The numbers, as those of any array."""
        return str(np.asarray(self))

    def __repr__(self) -> str:
        """The numbers, as those of any array."""
        return repr(np.asarray(self))

    def _in_words(self) -> str:
        return self.words or ""


class ShownPicture(ShownArray[Number]):
    """Pixels `(height, width, channels)` that are shown as the picture that they are."""

    def _whole(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture, enlarged where it is too small to be looked at."""
        from convolens.media.draw import legible  # only here: it loads fonts
        from convolens.media.pixels import over_white

        return legible(over_white(np.asarray(self)))[0]


def shown_picture(pixels: NDArray[Number], words: str) -> ShownPicture[Number]:
    """Pixels that show themselves, above a line of words; no copy.

    >>> cup = shown_picture(np.zeros((2, 3, 3), np.uint8), "a cup")
    >>> cup.words, cup[:1].words, type(cup + 1).__name__
    ('a cup', None, 'ndarray')
    """
    shown = pixels.view(ShownPicture)
    shown.words = words
    return shown
