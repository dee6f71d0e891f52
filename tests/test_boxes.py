"""Boxes of every type of number: products of pixels go past what halves and 16-bit integers hold."""

import numpy as np
import pytest
import torch

from convolens import boxes

A, B = [0, 0, 300, 400], [100, 0, 400, 400]  # 80,000 pixels of 160,000 are shared; halves end at 65,504


@pytest.mark.parametrize("kind", ["float16", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("of", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_large_boxes_overlap_by_what_they_share_whatever_their_type(of, kind):
    module = np if of is np.array else torch
    if of is torch.tensor and kind == "uint16":
        pytest.skip("torch has no arithmetic on it")
    a, b = of(A, dtype=getattr(module, kind)), of(B, dtype=getattr(module, kind))
    assert float(boxes.areas(a)) == 120_000
    assert float(boxes.overlap(a, b)) == pytest.approx(0.5, abs=1e-3)
    iou, generalized = boxes.overlaps(a, b)
    assert float(iou) == pytest.approx(0.5, abs=1e-3) and float(generalized) == pytest.approx(0.5, abs=1e-3)


def test_boxes_that_end_before_they_begin_have_no_wrapped_area():
    assert boxes.areas(np.array([5, 0, 3, 4], np.uint16)) == -8.0


def test_what_is_wide_enough_keeps_its_type():
    for kind in (np.float32, np.float64):
        assert boxes.overlap(np.array(A, kind), np.array(B, kind)).dtype == kind
