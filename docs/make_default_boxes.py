"""Makes the picture of `how-the-detector-works.md`: default boxes and matches at each scale, on a photo.

.venv/bin/python docs/make_default_boxes.py
"""

from pathlib import Path

import numpy as np
import torch

import convolens as cl
from convolens.media.draw import draw_boxes, sheet
from convolens.tour.pictures import photo

PICTURE = Path(__file__).parent / "pictures" / "default-boxes.jpg"
# Of coffee.png, in its pixels.
OBJECTS = {"spoon": (325, 218, 408, 330), "saucer": (78, 66, 480, 384), "cup": (173, 18, 426, 316)}


def main() -> None:
    """Writes docs/pictures/default-boxes.jpg."""
    picture = cl.read_image(photo("coffee.png"))
    height, width = picture.shape[:2]
    scale = np.array([width, height, width, height])
    model = cl.detector("vgg16", classes=list(OBJECTS))
    objects = torch.tensor(list(OBJECTS.values())) / torch.from_numpy(scale)
    matches = model.match(objects.float()[None], torch.arange(len(objects))[None])
    corners = (model.grids.corners / model.grids.scale).numpy() * scale
    drawn, captions = [draw_boxes(picture, np.array(list(OBJECTS.values())), list(OBJECTS))], ["three objects"]
    names = list(OBJECTS)
    for level, first in zip(model.defaults.levels, model.defaults.firsts, strict=True):
        shapes = len(level.shapes)
        middle = first + (level.rows // 2 * level.columns + level.columns // 2) * shapes
        cell = corners[middle : middle + shapes]
        mine = matches.object_of[0, first : first + level.count]
        matched = (mine >= 0).nonzero()[:, 0]
        labels = [""] * shapes + [names[int(mine[box])] for box in matched]
        drawn.append(draw_boxes(picture, np.concatenate([cell, corners[first + matched.numpy()]]), labels))
        captions.append(f"{level.rows}×{level.columns} cells of {shapes} boxes: {len(matched)} match")
    PICTURE.parent.mkdir(exist_ok=True)
    cl.write_image(PICTURE, sheet(drawn, captions, columns=4, height=220))


if __name__ == "__main__":
    main()
