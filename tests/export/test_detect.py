import numpy as np
import onnxruntime
import pytest
import torch

import convolens as cl
from convolens.exported.detect import settings_of
from convolens.exporting.graph import Graph
from convolens.exporting.suppression import objects
from convolens.models.detect import Selection
from convolens.models.detect.decoding import select
from tests.export.conftest import export, picture


@pytest.mark.parametrize("shape", [(96, 96), (400, 20), (33, 330), (301, 203)])
def test_a_detector_finds_the_same_objects(detector, shape):
    model, written = detector
    mine, other = (one.predict(picture(*shape), threshold=0.3) for one in (model, cl.load(written.path)))
    assert len(mine) > 3
    assert other.labels == mine.labels
    np.testing.assert_array_equal(other.default_boxes, mine.default_boxes)
    np.testing.assert_allclose(other.boxes_xyxy, mine.boxes_xyxy, atol=0.05)
    np.testing.assert_allclose(other.scores, mine.scores, atol=1e-4)


def test_nothing_is_found_where_nothing_scores_enough(detector):
    found = cl.load(detector[1].path).predict(picture(50, 60), threshold=1.0)
    assert len(found) == 0
    assert found.boxes_xyxy.shape == (0, 4)


def test_names_are_a_promise(detector):
    _, written = detector
    session = onnxruntime.InferenceSession(written.path)
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("picture", ["height", "width", 3])]
    assert [(one.name, one.type) for one in session.get_outputs()] == [
        ("boxes_xyxy", "tensor(float)"), ("scores", "tensor(float)"), ("labels", "tensor(int64)"),
        ("default_boxes", "tensor(int64)"),
    ]  # fmt: skip
    assert {one.name for one in session.get_overridable_initializers()} == {
        "threshold", "nms_iou", "top_k", "max_detections"
    }  # fmt: skip


def test_a_detector_is_not_exported_batched(detector, tmp_path):
    with pytest.raises(cl.errors.ArgumentError, match="batched: need a task with as many answers"):
        cl.export(detector[0], tmp_path / "model.onnx", batched=True)


SELECTIONS = [
    Selection(0.0), Selection(0.5), Selection(0.1, 0.0), Selection(0.1, 1.0), Selection(0.2, 0.45, top_k=3),
    Selection(0.2, 0.45, max_detections=4), Selection(1.0), Selection(0.1, 0.45, top_k=1, max_detections=1),
    Selection(0.0, 0.6, top_k=10_000, max_detections=10_000),
]  # fmt: skip


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("levels", [5, 1000])
def test_suppression_keeps_the_same_in_the_same_order(selection, levels):
    """With few levels of scores most are equal: ties go by classes, then by boxes."""
    random = np.random.default_rng(levels)
    likely = (random.integers(0, levels, (1, 80, 4)) / levels).astype(np.float32)
    corners = np.sort(random.random((1, 80, 2, 2)), axis=2).reshape(1, 80, 4).astype(np.float32)
    ((numbers, kinds, scores),) = select(likely, corners, selection)
    found = suppression().run(None, {"likely": likely, "corners": corners, **settings_of(selection)})
    np.testing.assert_array_equal(found[2], kinds)
    np.testing.assert_array_equal(found[3], numbers)
    np.testing.assert_array_equal(found[1], scores)
    np.testing.assert_array_equal(found[0], corners[0, numbers])


def suppression():
    graph = Graph()
    likely = graph.input("likely", np.float32, [1, "boxes", "classes"])
    corners = graph.input("corners", np.float32, [1, "boxes", 4])
    found = objects(graph, likely, corners)
    for name, value, dtype in zip(found._fields, found, (np.float32, np.float32, np.int64, np.int64), strict=True):
        graph.output(name, value, dtype, ["objects", 4] if name == "boxes" else ["objects"])
    return onnxruntime.InferenceSession(graph.model(18, {}).SerializeToString())


def test_raw_gives_all_default_boxes(detector, tmp_path):
    model, _ = detector
    written = export(model, tmp_path / "raw.onnx", raw=True, check=[picture(50, 60)])
    batch = model.preprocess([picture(50, 60)])
    session = onnxruntime.InferenceSession(written.path)
    probabilities, boxes = session.run(["probabilities", "boxes_xyxy"], {"batch": batch.numpy().repeat(2, 0)})
    assert probabilities.shape == (2, model.defaults.count, 3)
    assert boxes.shape == (2, model.defaults.count, 4)
    with torch.inference_mode():
        scores = model(batch).scores.softmax(2)[0, :, 1:]
    np.testing.assert_allclose(probabilities[1], scores, atol=1e-4)
    with pytest.raises(cl.errors.WeightsError, match="need a model that takes pictures, got one of preprocessed"):
        cl.load(written.path)
