import numpy as np
import pytest

import convolens as cl
from tests.one_thread import one_thread  # noqa: F401

CLASSES = ("brick", "grass", "gravel")


@pytest.fixture(scope="module")
def trunk():
    """Random weights: what is tested holds for any."""
    return cl.trunk("vgg16")


@pytest.fixture(scope="module")
def model(trunk):
    return cl.classifier(trunk, classes=CLASSES, taps="conv3_1")


@pytest.fixture(scope="module")
def two_taps(trunk):
    return cl.classifier(trunk, classes=CLASSES, taps=("conv2_1", "conv3_1"))


@pytest.fixture
def picture():
    return np.random.default_rng(4).integers(0, 256, (24, 36, 3), dtype=np.uint8)
