"""Makes the picture of `what-the-network-looked-at.md` from the folder that the tour leaves behind.

make demo && .venv/bin/python docs/make_half_and_half.py tour
"""

import sys
from pathlib import Path

import numpy as np

import convolens as cl
from convolens.media.draw import sheet
from convolens.tour.surfaces import surface

PICTURE = Path(__file__).parent / "pictures" / "half-and-half.jpg"
SIDE = 176
NAMES = ("grass", "brick")  # from left to right


def main(tour: Path) -> None:
    """Writes docs/pictures/half-and-half.jpg, and prints how much of each map lies on its own half."""
    both = np.hstack([surface(name, test=True)[:SIDE, :SIDE] for name in NAMES])
    model = cl.load(tour / "surfaces/run")
    maps = {f"where is {name}?": cl.explain(model, both, target=name) for name in NAMES}
    maps["why grass rather than brick?"] = cl.explain(model, both, target="grass", against="brick")
    shown = {"grass and brick": np.repeat(both[:, :, None], 3, axis=2)}
    shown |= {question: found.overlay() for question, found in maps.items()}
    cl.write_image(PICTURE, sheet(list(shown.values()), list(shown), columns=2, height=SIDE))
    for name, found in zip((*NAMES, NAMES[0]), maps.values(), strict=True):
        left, right = np.hsplit(found.normalized(), 2)
        own = (left, right)[NAMES.index(name)].sum() / found.normalized().sum()
        print(f"{found.label}: {own:.1%} of the map on its own half")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
