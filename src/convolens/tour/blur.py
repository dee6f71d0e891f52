"""Section: a photo blurred a little and a lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from convolens.pages.figures import named, picture, row
from convolens.tour.pictures import bring
from convolens.tour.section import Section


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    return [
        row(
            picture(made["photo"], named("The photo."), describe="A red cup of coffee on its saucer, from above"),
            picture(made["soft"], named("σ = 2 pixels.", "The grain of the table is gone."),
                    describe="The cup, blurred"),
            picture(made["softer"], named("σ = 5.", "Only large things keep edges."), describe="The cup, blurred more"),
            picture(made["vague"], named("σ = 12 pixels.", "Cup and saucer remain as masses of light and colour."),
                    describe="The cup, blurred so far that only light and colour are left"),
            picture(made["light"], named("σ = 40.", "The light in the room."),
                    describe="Brown and dark fields that run into one another"),
            picture(made["panned"], named("0 down, 12 across.", "As if the camera had turned."),
                    describe="The cup, smeared to the left and right"),
        )
    ]  # fmt: skip


SECTION = Section(
    name="blur",
    title="A photo, out of focus",
    prose="""
Replace every pixel by a mean of the pixels around it, the near ones counting more than the far ones, and the photo
goes out of focus. The kernel is the Gaussian; its standard deviation σ says how far it extends.

What is smaller than the kernel disappears, what is larger stays. A blur is a choice of the size of things worth
seeing.
""",
    commands=(
        "convolens blur coffee.png soft.png --sigma 2",
        "convolens blur coffee.png softer.png --sigma 5",
        "convolens blur coffee.png vague.png --sigma 12",
        "convolens blur coffee.png light.png --sigma 40",
        "convolens blur coffee.png panned.png --sigma 0,12",
    ),
    python="""\
import convolens as cl

photo = cl.read_image("coffee.png")
soft = cl.blur(photo, 2)
softer = cl.blur(photo, 5)
vague = cl.blur(photo, 12)
light = cl.blur(photo, 40)
panned = cl.blur(photo, (0, 12))
""",
    prepare=lambda: bring("coffee.png"),
    show=_show,
    budget_seconds=5,
)
