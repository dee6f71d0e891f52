import numpy as np
import pytest

from convolens.evaluation.metrics import calibration_error, classification_metrics, confusion_matrix

NAMES = ("brick", "grass", "gravel")


def one_hot(classes):
    return np.eye(3)[classes]


def test_the_confusion_matrix_has_a_row_for_each_true_class():
    found = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_figures_of_a_case_counted_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    found = classification_metrics(one_hot([0, 0, 0, 1, 1, 1]), labels, NAMES)
    assert found["count"] == 6
    assert found["top1"] == pytest.approx(5 / 6)
    assert found["per_class"]["brick"] == {"precision": 1.0, "recall": 0.75, "f1": pytest.approx(6 / 7), "count": 4}
    assert found["per_class"]["grass"]["precision"] == pytest.approx(2 / 3)
    # gravel neither occurs nor is named: it says nothing about the others' mean
    assert found["macro_f1"] == pytest.approx((6 / 7 + 4 / 5) / 2)


def test_top5_counts_a_class_among_the_five_highest():
    scores = np.tile(np.linspace(1, 0, 8), (2, 1))
    found = classification_metrics(scores, np.array([4, 5]), [str(n) for n in range(8)])
    assert (found["top1"], found["top5"]) == (0.0, 0.5)


def test_scores_that_are_right_as_often_as_they_say_have_no_calibration_error():
    scores = np.tile([0.75, 0.25], (400, 1))
    labels = np.repeat([0, 1], [300, 100])
    assert calibration_error(scores, labels) == pytest.approx(0, abs=1e-12)
    assert calibration_error(scores, np.zeros(400, int)) == pytest.approx(0.25)


def test_errors_in_different_bins_do_not_cancel():
    # Half the samples say 0.6 and are always right (gap 0.4), half say 0.9 and are right half the time (gap 0.4).
    scores = np.repeat([[0.6, 0.4], [0.9, 0.1]], 10, axis=0)
    labels = np.repeat([0, 0, 1], [10, 5, 5])
    assert calibration_error(scores, labels) == pytest.approx(0.4)
