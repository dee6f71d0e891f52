"""A picture that is not in memory, convolved a band of rows at a time: to the bit what the whole would be.

The method is chosen for the whole, however much memory that would take: another one for a band would round otherwise.
Where it is one whose sums depend on rows far away (`fft`, `overlap_save`), the best of the others is taken, and a pixel
may be another by as much as the methods' errors let it. A band of `multirate` begins where the whole's samples lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from numpy.typing import NDArray

from convolens import strips
from convolens.convolution.algorithms import multirate
from convolens.convolution.planner import plan_by_rows
from convolens.convolution.product import Product
from convolens.convolution.spec import Spec, Window
from convolens.convolution.windows import planned, windows
from convolens.memory import need_memory
from convolens.shapes import boundary_along
from convolens.strips import Rows, Strips, strips_of

_MOST_STRIPS = 4  # that a band is high for the sake of a long reach, which is read once more for each


def in_bands(picture: Rows, kernel: Product, window: Window, tolerance: float) -> Strips:
    """`windows` of a picture of unsigned integers, rounded to these.

    Args:
        picture: its rows.
        kernel: with as many axes as the picture, and as high before a pixel as behind it.
        window: how the picture is extended, by half of the kernel.
        tolerance: error that is allowed.

    Raises:
        MemoryRefused: a band needs more than the budget.
    """
    row = picture[0:1]
    narrow: Spec = planned(row, kernel, window, tolerance=tolerance, rounded=picture.dtype).problem
    plan = plan_by_rows(replace(narrow, shape=picture.shape))
    reach, step = multirate.reach(plan.problem, 0) if plan.method == multirate.NAME else (window.before[0], 1)
    reach = -(-reach // step) * step
    height, most = picture.shape[0], max(1, strips.STRIP_BYTES // row.nbytes)
    rows = -(-max(most, min(2 * reach, _MOST_STRIPS * most)) // step) * step
    need_memory(
        2 * min(rows + 2 * reach, height) * row.nbytes, f"image of {picture.shape}", "make it smaller, or blur it less"
    )

    def convolved(band: NDArray[Any]) -> NDArray[Any]:
        return windows(band, kernel, window, plan.method, tolerance=tolerance, rounded=picture.dtype)

    def parts() -> Iterator[NDArray[Any]]:
        if rows + 2 * reach >= height:
            yield convolved(picture[0:height])
            return
        cuts = ((start, min(start + rows, height)) for start in range(0, height, rows))
        boundary = boundary_along(window.boundary, 0)
        for start, stop, above, (band,) in strips_of(picture, cuts=cuts, reach=reach, boundary=boundary):
            yield convolved(band)[above : above + stop - start]

    assert prod(kernel.shape[2:]) == 1
    return Strips.of(height, parts())
