"""Section: a photo repainted in the style of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from convolens.media.images import read_image, write_image
from convolens.pages.figures import named, numbers, picture, row
from convolens.tour.painted import brush_strokes
from convolens.tour.pictures import bring
from convolens.tour.section import Section

_SIDE = 288  # pixels: what two cores restyle while one waits
_STEPS = 20


def _prepare() -> None:
    bring("coffee.png")
    write_image("strokes.png", brush_strokes())


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    steps = made["steps"]
    return [
        row(
            picture(read_image("coffee.png"), named("The content."), describe="A cup of coffee on a wooden table"),
            picture(read_image("strokes.png"), named("The style.", "Brush strokes, painted by a script."),
                    describe="Strokes of blue that swirl about three yellow suns"),
            picture(made["restyled"], named("The content in that style."),
                    describe="The cup, its outlines and shades drawn in strokes of those colours"),
        ),
        numbers({
            f"{len(steps)}": "steps, coarse to fine",
            f"{steps[0].losses['style conv4_1']:.2f} → {steps[-1].losses['style conv4_1']:.2f}":
                "how far its Gram matrix at conv4_1 is from the strokes’; 1 would be that of no features at all",
        }),
    ]  # fmt: skip


SECTION = Section(
    name="style",
    title="In the style of another",
    prose="""
What is a picture’s <em>style</em>? Take the maps of a tap and compute for every pair of features how often the two are
active at the same place, wherever that is: the <em>Gram matrix</em>. It forgets where things are and keeps what goes
with what: strokes, grain and colour.

Now a photo’s pixels are changed, step by step, until its Gram matrices are those of the strokes and its features at one
deeper tap are still those of the photo (Gatys et al. 2016). Nothing is trained; the same trunk is used for all three.
""",
    commands=(f"convolens stylize coffee.png strokes.png restyled.png --size {_SIDE} --steps {_STEPS}",),
    python=f"""\
import convolens as cl

steps = []
restyled = cl.stylize(
    "coffee.png", "strokes.png",
    size={_SIDE}, steps={_STEPS}, on_step=steps.append,
)
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=60,
)
