import pickle

import numpy as np
import pytest

import convolens as cl
from convolens.errors import ArgumentError, MethodError
from convolens.evaluation.explanations import measure_explanations
from convolens.evaluation.metrics import ClassifierEvaluation
from convolens.media.annotate import in_lines, in_words

PICTURE = np.zeros((48, 64, 3), np.uint8)


def modes(model):
    return [part.training for part in model.modules()]


def test_a_prediction_leaves_each_part_in_its_own_mode():
    model = cl.classifier("resnet18", classes=3).train()
    model.trunk.layer1.eval()
    before = modes(model)
    model.predict(PICTURE)
    assert modes(model) == before


def test_all_requested_classes_are_named_in_lines_and_three_on_pictures():
    found = cl.classifier("resnet18", classes=6).predict(PICTURE, top=5)
    assert in_lines(found)[0].count("%") == 5
    assert in_words(found).count("%") == 3


@pytest.mark.bad_input
def test_what_is_only_for_classifiers_and_localizers_refuses_a_detector(tmp_path):
    model = cl.detector("resnet18", size=64, classes=["a"], width=0.1)
    with pytest.raises(MethodError, match="got a detector; use explain"):
        cl.explain_top(model, PICTURE, 2)
    with pytest.raises(ArgumentError, match="to measure explanations of, got a detector"):
        measure_explanations(model, tmp_path)


def test_an_evaluation_is_pickled_as_its_numbers_and_words():
    found = ClassifierEvaluation({"count": 2, "top1": 0.5}, lambda: "a page")
    again = pickle.loads(pickle.dumps(found))
    assert again == {"count": 2, "top1": 0.5} and again.summary() == "2 pictures: top-1 50.0%"
    assert found.page() == "a page"
    with pytest.raises(ArgumentError, match="page: need what evaluate returned in this process"):
        again.page()
