"""Section: edges by a kernel of nine numbers, and as a network learned them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.pages.figures import named, picture, row
from convolens.tour.pictures import bring
from convolens.tour.section import Section

_GAIN = 3.0  # as in the command: the table's grain is faint, and the point is that Sobel sees it


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    from convolens.effects.pictures.edge_pictures import edge_picture

    sobel = edge_picture(made["photo"], gain=_GAIN)
    spots = edge_picture(made["photo"], method="log", sigma=3)
    detail = edge_picture(made["photo"], method="dog", sigma=8, gain=2)
    learned = np.round(255 * made["learned"]).astype(np.uint8)
    return [
        row(
            picture(sobel, named("Sobel.", "Wherever brightness changes, be it the rim of the cup or the grain of the "
                    "wood."), describe="White lines on black: cup, saucer, spoon, and all the grain of the table"),
            picture(learned, named("Learned.", "The outlines of things. The grain is left out."),
                    describe="White lines on black: the outlines of cup, saucer and spoon, hardly any grain"),
        ),
        row(
            picture(_in_bytes(made["fine"]), named("Canny’s lines", ", one pixel wide, of detail from a pixel up."),
                    describe="Thin white lines: outlines and much of the grain"),
            picture(_in_bytes(made["coarse"]),
                    named("The same of detail from 4 pixels up.", "Most of the grain is gone."),
                    describe="Thin white lines: the large outlines of cup, saucer and spoon"),
            picture(spots, named("Where brightness bends", "at a size of 3 pixels: dark where the picture has bright "
                    "lines and spots, bright where it has dark ones."),
                    describe="Grey relief of the cup, its rims drawn as dark and bright double lines"),
            picture(detail, named("One blur minus another", ": detail of about 8 pixels, and nothing else."),
                    describe="Soft grey relief in which the spoon and the rims stand out"),
        ),
    ]  # fmt: skip


def _in_bytes(lines: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return lines.astype(np.uint8) * np.uint8(255)


SECTION = Section(
    name="edges",
    title="Its edges, computed and learned",
    prose="""
Let the neighbours on the right count positive and those on the left negative, and the mean becomes a difference:
large where brightness changes. Sobel’s kernel has nine numbers, and somebody chose them in 1968.

But what is an edge? A knife mark in the table changes brightness as much as the rim of the cup. So the second
picture comes from thirteen layers of kernels, 14.7 million numbers, which nobody chose. They were adjusted until
the result agreed with outlines that people had drawn by hand (HED, Xie &amp; Tu 2015).

Between them lie fifty years of other answers: lines that are strong somewhere and followed from there, places where
brightness bends, what one blur has that a wider one has not.
""",
    commands=(
        f"convolens edges coffee.png edges.png --gain {_GAIN:g}",
        "convolens edges coffee.png fine.png --method canny",
        "convolens edges coffee.png coarse.png --method canny --sigma 4 --low 0.05 --high 0.1",
        "convolens edges coffee.png spots.png --method log --sigma 3",
        "convolens edges coffee.png detail.png --method dog --sigma 8 --gain 2",
        "convolens edges coffee.png outlines.png --learned",
    ),
    python="""\
import convolens as cl

photo = cl.read_image("coffee.png")
sobel = cl.sobel(photo)
fine = cl.canny(photo)
coarse = cl.canny(photo, sigma=4, low=0.05, high=0.1)
learned = cl.learned_edges(photo)
""",
    prepare=lambda: bring("coffee.png"),
    show=_show,
    budget_seconds=25,
)
