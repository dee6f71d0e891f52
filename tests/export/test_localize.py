import numpy as np
import onnxruntime
import pytest
from PIL import Image

import convolens as cl
from tests.export.conftest import NAMES, picture


@pytest.mark.parametrize("shape", [(40, 56), (400, 20), (33, 330), (301, 203)])
def test_a_localizer_gives_the_same_answers(localizer, shape):
    model, written = localizer
    mine, other = (one.predict(picture(*shape), threshold=0.0) for one in (model, cl.load(written.path)))
    assert other.label == mine.label
    np.testing.assert_allclose(other.box_xyxy, mine.box_xyxy, atol=0.05)
    np.testing.assert_allclose([other.score, other.objectness], [mine.score, mine.objectness], atol=1e-5)


def test_the_threshold_is_of_the_objectness(localizer):
    model, written = localizer
    objectness = model.predict(picture(50, 60)).objectness
    loaded = cl.load(written.path)
    assert loaded.predict(picture(50, 60), threshold=objectness + 0.01).label is None
    assert loaded.predict(picture(50, 60), threshold=objectness - 0.01).label is not None


def test_pictures_of_one_size_go_in_together(localizer):
    """This one was exported batched."""
    model, written = localizer
    several = [picture(50, 60), picture(50, 60, seed=1), picture(30, 60, seed=2)]
    alone, together = (cl.load(written.path).predict(several, batch=batch, threshold=0.0) for batch in (1, 2))
    for one, other, mine in zip(alone, together, model.predict(several, threshold=0.0), strict=True):
        assert one.label == other.label == mine.label
        np.testing.assert_allclose(one.box_xyxy, mine.box_xyxy, atol=0.05)
        np.testing.assert_allclose(other.box_xyxy, mine.box_xyxy, atol=0.05)
    session = onnxruntime.InferenceSession(written.path)
    assert [one.name for one in session.get_inputs()] == ["pictures"]
    assert [one.shape for one in session.get_outputs()] == [["batch", 3], ["batch"], ["batch", 4]]


def test_evaluating_gives_the_same_numbers(localizer, tmp_path):
    model, written = localizer
    rows = ["image,label,x1,y1,x2,y2"]
    for number, name in enumerate(NAMES):
        Image.fromarray(picture(60, 50, seed=number)).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png,{name},5,10,{30 + number},40")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    mine = cl.evaluate(model, tmp_path / "boxes.csv", progress=False)
    other = cl.evaluate(cl.load(written.path), tmp_path / "boxes.csv", progress=False)
    assert mine["mean_iou"] > 0
    for name in ("object_accuracy", "class_accuracy", "mean_iou", "iou50"):
        assert other[name] == pytest.approx(mine[name], abs=1e-4), name
