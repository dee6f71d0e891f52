"""Section: edges by a kernel of nine numbers, and as a network learned them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convolens.pages.figures import picture, row
from convolens.tour.pictures import bring
from convolens.tour.section import Section

_GAIN = 3.0  # as in the command: the table's grain is faint, and the point is that Sobel sees it


def _show(made: Mapping[str, Any]) -> Sequence[str]:
    from convolens.effects.edge_pictures import edge_picture

    sobel = edge_picture(made["photo"], gain=_GAIN)
    learned = np.round(255 * made["learned"]).astype(np.uint8)
    return [
        row(
            picture(sobel, "<b>Sobel.</b> Wherever brightness changes, be it the rim of the cup or the grain of the "
                    "wood.", describe="White lines on black: cup, saucer, spoon, and all the grain of the table"),
            picture(learned, "<b>Learned.</b> The outlines of things. The grain is left out.",
                    describe="White lines on black: the outlines of cup, saucer and spoon, hardly any grain"),
        )
    ]  # fmt: skip


SECTION = Section(
    name="edges",
    title="Its edges, computed and learned",
    prose="""
Let the neighbours on the right count positive and those on the left negative, and the mean becomes a difference:
large where brightness changes. Sobel’s kernel has nine numbers, and somebody chose them in 1968.

But what is an edge? A knife mark in the table changes brightness as much as the rim of the cup. So the second
picture comes from thirteen layers of kernels, 14.7 million numbers, which nobody chose. They were adjusted until
the result agreed with outlines that people had drawn by hand (HED, Xie &amp; Tu 2015).
""",
    commands=(
        f"convolens edges coffee.png edges.png --gain {_GAIN:g}",
        "convolens edges coffee.png outlines.png --learned",
    ),
    python="""\
import convolens as cl

photo = cl.read_image("coffee.png")
sobel = cl.sobel(photo)
learned = cl.learned_edges(photo)
""",
    prepare=lambda: bring("coffee.png"),
    show=_show,
    budget_seconds=25,
)
