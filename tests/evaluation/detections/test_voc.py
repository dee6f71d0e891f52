from pathlib import Path

import numpy as np
import pytest

from convolens.data import Box, Example
from convolens.evaluation.detections import Found, curves, voc_metrics

PLACES = [(20.0 * at, 0.0, 20.0 * at + 10, 10.0) for at in range(8)]


def found(*rows):
    """Detections of class 0: a box and a score each."""
    boxes = np.array([box for box, _ in rows], np.float64).reshape(-1, 4)
    return Found(boxes, np.zeros(len(rows), np.int64), np.array([score for _, score in rows], np.float64))


def objects(*places, **flags):
    return tuple(Box(0, place, **flags) for place in places)


def test_the_two_averages_of_a_curve_worked_out_by_hand():
    # Right, wrong, right of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    example = Example(Path("a.png"), (0,), objects(*PLACES[:3]))
    measured = voc_metrics([example], [found((PLACES[0], 0.9), (PLACES[5], 0.8), (PLACES[1], 0.7))], ("cat",))
    assert measured["voc10"] == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    # Recalls 0, .1, .2, .3 see a best precision of 1; .4, .5, .6 of 2/3; .7 and above none.
    assert measured["voc07"] == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)


def test_an_object_is_found_once_and_by_the_surest():
    example = Example(Path("a.png"), (0,), objects(PLACES[0]))
    (curve,) = curves([example], [found((PLACES[0], 0.5), (PLACES[0], 0.9))], 1)
    assert curve.scores.tolist() == [0.9, 0.5]
    assert curve.precision.tolist() == [1.0, 0.5]


def test_an_overlap_of_just_half_is_right_and_less_is_wrong():
    example = Example(Path("a.png"), (0,), objects((0, 0, 10, 10)))
    half, less = found(((0, 0, 10, 5), 0.9)), found(((0, 0, 10, 4.9), 0.9))
    assert curves([example], [half], 1)[0].precision.tolist() == [1.0]
    assert curves([example], [less], 1)[0].precision.tolist() == [0.0]


@pytest.mark.parametrize("flag", ["difficult", "crowd"])
def test_what_is_difficult_or_a_crowd_is_neither_wanted_nor_wrong(flag):
    boxes = objects(PLACES[0]) + objects(PLACES[1], **{flag: True})
    example = Example(Path("a.png"), (0,), boxes)
    (curve,) = curves([example], [found((PLACES[1], 0.9), (PLACES[1], 0.8), (PLACES[0], 0.7))], 1)
    assert curve.count == 1
    assert curve.scores.tolist() == [0.7]
    assert curve.average_2010() == 1.0


def test_classes_and_pictures_are_kept_apart():
    examples = [Example(Path("a.png"), (0,), objects(PLACES[0])), Example(Path("b.png"), ())]
    there = [found((PLACES[0], 0.9)), Found.nothing()]
    elsewhere = [Found.nothing(), found((PLACES[0], 0.9))]
    other = [there[0]._replace(labels=np.array([1])), Found.nothing()]
    values = [voc_metrics(examples, one, ("cat", "dog"))["voc10"] for one in (there, elsewhere, other)]
    assert values == [1.0, 0.0, 0.0]


def test_both_averages_are_their_definitions_on_random_detections():
    random = np.random.default_rng(0)
    for _ in range(50):
        examples, all_found = [], []
        for _ in range(5):
            places = random.permutation(8)
            examples.append(Example(Path("a.png"), (0,), objects(*(PLACES[at] for at in places[:3]))))
            all_found.append(found(*((PLACES[at], random.random()) for at in random.permutation(8)[:4])))
        (curve,) = curves(examples, all_found, 1)
        best = [curve.precision[at:].max() for at in range(len(curve.precision))]
        steps = np.diff(curve.recall, prepend=0)
        assert curve.average_2010() == pytest.approx(sum(s * b for s, b in zip(steps, best, strict=True)))
        eleven = [max(curve.precision[curve.recall >= at / 10 - 1e-9], default=0) for at in range(11)]
        assert curve.average_2007() == pytest.approx(sum(eleven) / 11)
