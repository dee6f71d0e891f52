"""Makes docs/pictures/unblur.jpg: photos out of focus, or from a shaken camera, and what `cl.unblur` makes of them.

.venv/bin/python docs/make_unblur.py            the photos come with scikit-image
"""

from pathlib import Path

import numpy as np
import skimage

import convolens as cl
from convolens.effects.pictures.blur_search import Blur
from convolens.media.draw import sheet

PICTURE = Path(__file__).parent / "pictures" / "unblur.jpg"
SHOWN = (("chelsea.png", (20, 100), Blur("disk", 4.0)), ("coffee.png", (60, 140), Blur("motion", 15.0, 30.0)))
SIDE = 260


def main() -> None:
    """Writes the picture."""
    rng, pictures, words = np.random.default_rng(0), [], []
    for name, (row, column), blur in SHOWN:
        photo = cl.read_image(Path(skimage.__file__).parent / "data" / name)[:, :, :3]
        scene = photo[row : row + SIDE, column : column + SIDE] / 255
        soft = cl.convolve(scene, np.asarray(blur.kernel), "valid", axes=(0, 1))
        soft = np.rint((soft + rng.standard_normal(soft.shape) / 255).clip(0, 1) * 255).astype(np.uint8)
        top, left = ((full - seen) // 2 for full, seen in zip(scene.shape[:2], soft.shape[:2], strict=True))
        pictures += [soft, cl.unblur(soft), np.rint(scene[top:-top, left:-left] * 255).astype(np.uint8)]
        words += ["as the camera saw it", f"found: {cl.find_blur(soft)}", "what was there"]
    cl.write_image(PICTURE, sheet(pictures, words, columns=3, height=260))


if __name__ == "__main__":
    main()
