from pathlib import Path

import numpy as np

from convolens.data import Box, Example
from convolens.evaluation.detections import Found, detection_confusion

A, B, C = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (40.0, 0.0, 50.0, 10.0)


def found(*rows):
    boxes, labels, scores = zip(*rows, strict=True)
    return Found(np.array(boxes), np.array(labels), np.array(scores))


def test_right_taken_for_another_missed_and_made_up_each_have_their_place():
    example = Example(Path("a.png"), (0, 1), (Box(0, A), Box(1, B), Box(1, (60, 0, 70, 10))))
    said = found((A, 0, 0.9), (B, 0, 0.8), (C, 1, 0.7))
    assert detection_confusion([example], [said], 2).tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_what_the_model_is_unsure_of_does_not_count():
    example = Example(Path("a.png"), (0,), (Box(0, A),))
    assert detection_confusion([example], [found((A, 0, 0.4))], 1).tolist() == [[0, 1], [0, 0]]


def test_the_better_box_gets_the_object_and_the_other_is_one_too_many():
    example = Example(Path("a.png"), (0,), (Box(0, A),))
    said = found(((0.0, 0.0, 10.0, 8.0), 1, 0.99), (A, 0, 0.6))
    assert detection_confusion([example], [said], 2).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_crowds_and_difficult_objects_are_left_out_with_what_is_found_on_them():
    example = Example(Path("a.png"), (), (Box(0, A, crowd=True), Box(0, B, difficult=True)))
    assert detection_confusion([example], [found((A, 0, 0.9))], 1).sum() == 0
