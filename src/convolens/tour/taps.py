"""Section: the feature maps of one photo at three taps of a trunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.pages.figures import Marked, named, picture, row, sheet, table
from convolens.tour.pictures import bring
from convolens.tour.section import Section

_SHOWN = 4  # maps of each tap
_BRIGHT = 0.995  # a few specks may be brighter than the picture can show
_CAPTIONS = {
    "conv1_2": "sees five pixels across: light and dark, colours, fine lines.",
    "conv3_3": "sees forty: rims, grain, patches of one kind.",
    "conv5_3": "sees a third of the photo at a time: inside or outside of a thing, and where its outline runs.",
}


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    trunk, maps = made["trunk"], {tap: found[0].numpy() for tap, found in made["maps"].items()}
    seen = [
        Marked(trunk.trace(tap, found.shape[1] // 2, number * found.shape[2] // 4), tap)
        for number, (tap, found) in enumerate(maps.items(), start=1)
    ]
    rows = [
        (tap, len(found), f"{found.shape[2]} × {found.shape[1]}", f"{field.size} × {field.size}", field.stride)
        for tap, found in maps.items()
        for field in [trunk.receptive_field(tap)]
    ]
    return [
        row(
            picture(made["photo"], "What a single point of each tap sees.", marks=seen,
                    describe="Three boxes on the photo, from a few pixels wide to a third of its width"),
            table(["tap", "features", "map", "each sees", "every"], rows,
                  "Sizes in pixels of the photo; a tap’s stride says how many pixels lie between two of its points."),
        ),
        *(
            sheet([_colored(one) for one in _distinct(found)], named(f"{tap}", f"{_CAPTIONS[tap]}"),
                  describe=f"Four feature maps of {tap}")
            for tap, found in maps.items()
        ),
    ]  # fmt: skip


def _distinct(maps: Float[np.ndarray, "features rows columns"]) -> list[NDArray[np.float32]]:
    """The maps that vary most without repeating one another.

    Again and again the one that varies most is taken, and what it explains is subtracted from the others (a QR
    decomposition with pivoting).
    """
    left = maps.reshape(len(maps), -1) - maps.mean(axis=(1, 2)).reshape(-1, 1)
    chosen = []
    for _ in range(_SHOWN):
        largest = int(np.square(left).sum(axis=1).argmax())
        chosen.append(maps[largest])
        direction = left[largest] / np.linalg.norm(left[largest])
        left = left - np.outer(left @ direction, direction)
    return chosen


def _colored(one: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map in colours from nothing to its brightest spots, square roots taken so that faint activations show."""
    from matplotlib import colormaps

    brightness = np.sqrt(np.minimum(one / np.quantile(one, _BRIGHT), 1))
    colors: NDArray[np.uint8] = colormaps["magma"](brightness, bytes=True)[..., :3]
    return colors


SECTION = Section(
    name="taps",
    title="What three taps see",
    prose="""
The thirteen layers that found the outlines are a <em>trunk</em>, and every layer of it has a name: a <em>tap</em>,
whose map one can look at. Each point of a layer is computed from 3 × 3 points of the layer before it. Those were
computed from their neighbours, and so on down to the photo; the deeper the tap, the larger the <em>receptive field</em>
of a single point.

A bright spot below means that the feature is active there. What activates it was learned, and not prescribed.
""",
    commands=("convolens trace coffee.png traced.png --tap conv4_3 --at 5 7",),
    python="""\
import convolens as cl

photo = cl.read_image("coffee.png")
trunk = cl.trunk("vgg16", weights="hed").requires_grad_(False)
batch = trunk.preprocess(photo)
maps = trunk(batch, taps=("conv1_2", "conv3_3", "conv5_3"))
""",
    prepare=lambda: bring("coffee.png"),
    show=_show,
    budget_seconds=20,
)
