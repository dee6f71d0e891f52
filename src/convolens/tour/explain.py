"""Section: where in a picture the classifier sees what it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from convolens.media.images import read_image, write_image
from convolens.pages.figures import named, numbers, picture, row
from convolens.tour.section import Section
from convolens.tour.surfaces import SURFACES, mosaic
from convolens.tour.textures import MODEL, TRAIN, write_training_crops


def _prepare() -> None:
    write_image("mosaic.png", mosaic()[0])
    if not Path(MODEL).exists():  # the section before was not requested
        write_training_crops()
        exec(TRAIN, {})


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    found = made["found"]
    likeliest = np.argmax([found[name].heatmap for name in SURFACES], axis=0)
    agreeing = float((likeliest == mosaic()[1]).mean())
    return [
        row(
            picture(read_image("mosaic.png"), named("The picture.", "Brick, grass and gravel of the test set."),
                    describe="Brick on the left, grass on the right, a disc of gravel in the middle"),
            *(picture(found[name].overlay(), named(f"Where is {name}?"), describe=f"Warm colours where {name} is")
              for name in SURFACES),
            picture(made["rather"].overlay(), named("Why grass rather than brick?", "The difference of two maps."),
                    describe="Warm colours where grass was found, none on the brick"),
        ),
        numbers({f"{agreeing:.0%}": "of all pixels are where the map of their own surface is the strongest"}),
    ]  # fmt: skip


SECTION = Section(
    name="explain",
    title="Where did it look?",
    prose="""
The score of a class is a weighted sum of averages over the picture. Sums may be taken in any order: weigh the features
first, at every place, and average after, and the score is the same. But before that last average it is a picture, and
it says how much each place contributed. This is the <em>class activation map</em> (Zhou et al. 2016), and here it is
exact.

The network was trained on small crops of one surface at a time. It was never told where anything is, and no crop had
two surfaces.
""",
    commands=tuple(f"convolens explain {MODEL} mosaic.png --target {name} --out {name}.png" for name in SURFACES),
    python=f"""\
import convolens as cl

model = cl.load("{MODEL}")
found = {{
    name: cl.explain(model, "mosaic.png", target=name)
    for name in model.class_names
}}
rather = cl.explain(
    model, "mosaic.png", target="grass", against="brick"
)
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=20,
)
