"""Preprocessing alone: ONNX Runtime's batch against Convolens', for all that it can be told."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from convolens.exporting.graph import Graph
from convolens.exporting.preprocessing import preprocess
from convolens.trunks import Preprocessing
from tests.export.conftest import picture

KINDS = {
    "own size": {},
    "resize": {"resize": 32},
    "resize and crop": {"resize": 37, "crop": 32},
    "crop": {"crop": 15},
    "stretch": {"stretch": (33, 57)},
    "stretch without antialiasing": {"stretch": 40, "antialias": False},
}
SHAPES = [(15, 15), (64, 48), (37, 38), (20, 400), (500, 25), (301, 203), (16, 61)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_batch_is_the_same(kind, interpolation, order):
    wanted = replace(Preprocessing(), **KINDS[kind], interpolation=interpolation, order=order)
    session = session_of(wanted, 3)
    for shape in SHAPES:
        pixels = picture(*shape)
        found = session.run(None, {"pictures": pixels[None]})[0]
        np.testing.assert_allclose(found, wanted([pixels]).numpy(), atol=5e-4, err_msg=str(shape))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels(channels):
    wanted = Preprocessing(mean=(0.5,) * channels, deviation=(0.25,) * channels, stretch=20)
    pixels = picture(30, 50, channels)
    found = session_of(wanted, channels).run(None, {"pictures": pixels[None]})[0]
    np.testing.assert_allclose(found, wanted([pixels]).numpy(), atol=5e-4)


def test_a_large_photo():
    wanted = Preprocessing(resize=64, crop=64)
    pixels = picture(2000, 4000)
    found = session_of(wanted, 3).run(None, {"pictures": pixels[None]})[0]
    np.testing.assert_allclose(found, wanted([pixels]).numpy(), atol=2e-3)


def session_of(wanted, channels):
    graph = Graph()
    given = graph.input("pictures", np.uint8, ["batch", "height", "width", channels])
    batch = preprocess(graph, given, wanted)
    graph.output("batch", batch, np.float32, ["n", channels, "rows", "columns"])
    return onnxruntime.InferenceSession(graph.model(18, {}).SerializeToString())
