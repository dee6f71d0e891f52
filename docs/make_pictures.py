"""Makes the README's picture from the folder that the tour leaves behind.

make demo && .venv/bin/python docs/make_pictures.py tour
"""

import sys
from pathlib import Path

import numpy as np

import convolens as cl
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.media.draw import sheet

PICTURE = Path(__file__).parent / "pictures" / "tour.jpg"


def main(tour: Path) -> None:
    """Writes docs/pictures/tour.jpg."""
    photo, mosaic = cl.read_image(tour / "coffee.png"), cl.read_image(tour / "mosaic.png")
    learned = np.round(255 * cl.learned_edges(photo)).astype(np.uint8)
    model = cl.load(tour / "surfaces/run")
    places = [cl.explain(model, mosaic, target=name).overlay() for name in ("brick", "gravel")]
    shown = {
        "a photo": photo,
        "blurred": cl.blur(photo, 6),
        "Sobel's edges": edge_picture(photo, gain=3),
        "learned edges": learned,
        "where is brick?": wide(places[0]),
        "where is gravel?": wide(places[1]),
    }
    PICTURE.parent.mkdir(exist_ok=True)
    cl.write_image(PICTURE, sheet(list(shown.values()), list(shown), columns=3, height=260))


def wide(picture: np.ndarray) -> np.ndarray:
    """The middle of a square picture, as wide as a photo's."""
    height = 2 * picture.shape[1] // 3
    top = (picture.shape[0] - height) // 2
    return picture[top : top + height]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
