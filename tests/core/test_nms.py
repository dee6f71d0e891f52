"""Suppression in the core against the papers' definitions; ties, order and tiles are tested with the detector."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import _core


def iou(one, other):
    shared = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0).prod()
    both = (one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared
    return shared / both if shared > 0 else 0.0


def one_class(scores, boxes, threshold, overlap, sigma, most):
    """The candidates that stay, best first: each removes, or with sigma fades, those after it."""
    waiting = sorted((-score, box) for box, score in enumerate(scores.tolist()) if score > threshold)[:most]
    kept = []
    while waiting:
        score, box = waiting.pop(0)
        kept.append((box, -score))
        shared = {other: iou(boxes[box], boxes[other]) for _, other in waiting}
        if sigma > 0:
            faded = [(one * np.exp(-(shared[other] ** 2) / sigma), other) for one, other in waiting]
            waiting = sorted((one, other) for one, other in faded if -one > threshold)
        else:
            waiting = [(one, other) for one, other in waiting if shared[other] <= overlap]
    return kept


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 3)),
    sigma=st.sampled_from([0, 0.5]),
    most=st.sampled_from([1, 7, 100]),
    seed=st.integers(0, 999),
)
def test_what_stays_is_what_the_definition_keeps(shape, sigma, most, seed):
    pictures, count, classes = shape
    random = np.random.default_rng(seed)
    corner = random.random((pictures, count, 2))
    boxes = np.concatenate([corner, corner + 0.05 + random.random((pictures, count, 2))], 2).astype(np.float32)
    scores = random.random(shape, np.float32)
    kept, kept_scores = np.empty((pictures, classes, most), np.int64), np.empty((pictures, classes, most), np.float32)
    counts = np.empty((pictures, classes), np.int64)
    _core.nms(scores, boxes, 0.3, 0.4, sigma, kept, kept_scores, counts)
    for n, c in np.ndindex(pictures, classes):
        wanted = one_class(scores[n, :, c], boxes[n], 0.3, 0.4, sigma, most)
        assert kept[n, c, : counts[n, c]].tolist() == [box for box, _ in wanted]
        np.testing.assert_allclose(kept_scores[n, c, : counts[n, c]], [score for _, score in wanted], rtol=1e-5)
