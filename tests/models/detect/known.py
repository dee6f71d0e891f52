"""What torchvision's SSD and ours are both given: weights, pictures, objects and outputs that anyone can make again."""

from pathlib import Path

import numpy as np
import torch

GOLDENS = Path(__file__).parent / "goldens.json"
CLASSES = (21, 91)  # with background
SIZES = ((300, 300), (240, 420))  # height and width of the pictures
DEFAULTS = 8732


def pictures():
    """A square picture and a wide one: `(height, width, 3)` float32 in [0, 1]."""
    random = np.random.default_rng(0)
    return [random.random((*size, 3), dtype=np.float32) for size in SIZES]


def batch():
    """One preprocessed picture."""
    return torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 300, 300), dtype=np.float32)) * 60


def outputs(classes):
    """What a network could say of two pictures: scores and offsets."""
    random = np.random.default_rng(classes)
    scores = 1.5 * random.standard_normal((2, DEFAULTS, classes), dtype=np.float32)
    scores[..., 0] += 3  # mostly background
    offsets = random.standard_normal((2, DEFAULTS, 4), dtype=np.float32)
    return torch.from_numpy(scores), torch.from_numpy(offsets)


def objects(classes):
    """Objects of two pictures: corners as shares of the picture, from a pixel to all of it; labels from 0 on."""
    random = np.random.default_rng(2)
    found = []
    for count in (3, 25):
        sides = np.exp(random.uniform(np.log(1 / 300), 0, (count, 2)))
        first = random.random((count, 2)) * (1 - sides)
        boxes = np.concatenate([first, first + sides], 1).astype(np.float32)
        found.append((torch.from_numpy(boxes), torch.from_numpy(random.integers(0, classes - 1, count))))
    return found


def sampled(values):
    """A few hundred of many numbers, from everywhere."""
    flat = values.flatten()
    return flat[:: max(1, len(flat) // 300)]
