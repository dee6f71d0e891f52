"""A project to look at in a browser: drawn shapes in folders of classes, a small model, a street of boxes."""

import numpy as np
from PIL import Image, ImageDraw

import convolens as cl
from tests.studio.gallery_data import coco

SHAPES = ("circle", "cross", "square")


def shapes_project(root, count=20):
    """Makes it, where nothing is yet; the model has learned nothing."""
    random = np.random.default_rng(0)
    for name in SHAPES:
        (root / "shapes" / name).mkdir(parents=True)
        for number in range(count):
            image = Image.new("RGB", (96, 72), tuple(random.integers(0, 90, 3).tolist()))
            draw, ink = ImageDraw.Draw(image), tuple(random.integers(150, 255, 3).tolist())
            x, y, side = (int(one) for one in random.integers((6, 6, 20), (50, 30, 36)))
            box = (x, y, x + side, y + side)
            if name == "circle":
                draw.ellipse(box, fill=ink)
            elif name == "square":
                draw.rectangle(box, fill=ink)
            else:
                draw.line(box, fill=ink, width=6)
                draw.line((x, y + side, x + side, y), fill=ink, width=6)
            image.save(root / "shapes" / name / f"{number}.png")
    body = cl.trunk("resnet18", width=0.25, stem="small")
    cl.classifier(body, classes=SHAPES).save(root / "model.safetensors")
    coco(root / "street", 6)
    return root
