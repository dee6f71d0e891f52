"""Unsharp masking: what a blur takes away from a picture is its detail; add some of it once more.

Time is that of the blur, in floats; memory that of the result, as large pictures are done by strips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Num

from convolens.arrays import Real, as_real, is_tensor
from convolens.effects.border import Border
from convolens.effects.pictures.blur import MOST_AXES, blur, blur_reach, check_kept
from convolens.effects.pictures.picture import as_floats, check_picture, for_each_axis, in_dtype_of
from convolens.shapes import Boundary
from convolens.strips import as_picture, in_strips


def sharpen(
    image: Num[Any, "*shape"],
    sigma: Any = 1.5,
    *,
    amount: Real = 1.0,
    threshold: Real = 0.0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> Num[Any, "*shape"]:
    """The picture plus `amount` times what a Gaussian blur of it leaves out.

    Args:
        image: `(H, W)` or `(H, W, C)`; or a line; or more axes; of a dtype as in `blur`. Of RGBA only the colours are
            sharpened.
        sigma: the size of the detail in pixels, as in `blur`: one for rows and columns, or one for each leading axis.
        amount: 0 changes nothing, 1 doubles the detail; below 0 it is taken away, -1 leaves the blur.
        threshold: detail smaller than this, in the image's units, counts as noise and is left alone.
        boundary: one of `numpy.pad`'s names, or one for each of sigma's axes.
        fill_value: what a constant border is filled with.

    Returns:
        The image's shape and dtype. Integers are rounded and clipped; floats are not, and may leave [0, 1].

    Raises:
        ArgumentError: an amount that is not finite, a negative threshold; further errors as in `blur`.

    >>> import numpy as np
    >>> sharpen(np.float64([[0, 0, 1, 1]]), (0, 1)).round(2)
    array([[-0.06, -0.3 ,  1.3 ,  1.06]])
    """
    as_real(amount, "amount")
    as_real(threshold, "threshold", "a finite number of at least 0", lambda number: number >= 0)
    picture: Any = as_picture(image)
    check_picture(picture, most=MOST_AXES)
    check_kept(picture)
    axes = len(for_each_axis(sigma, min(picture.ndim, 2)))
    # Of a tensor they may be tensors too, which want their gradients.
    factor: Any
    factor, least = (one if is_tensor(picture) and is_tensor(one) else float(one) for one in (amount, threshold))

    def sharpened(rows: Any) -> Any:
        floats = as_floats(rows)
        detail = floats - blur(floats, sigma, boundary=boundary, fill_value=fill_value)
        if axes == 2 and rows.ndim == 3 and rows.shape[2] == 4:
            detail[:, :, 3] = 0
        return in_dtype_of(rows, floats + factor * detail * (abs(detail) >= least))

    if is_tensor(picture):
        return sharpened(picture)
    border = Border.of(boundary, fill_value, axes)
    return in_strips(sharpened, picture, reach=blur_reach(picture, sigma), boundary=border.boundary)
