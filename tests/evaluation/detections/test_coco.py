import json
from pathlib import Path

import numpy as np
import pytest

from convolens.data import Box, Example, read_data
from convolens.evaluation.detections import Found, coco_metrics, coco_results
from tests.evaluation.detections import coco_sets

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium",
         "ar_large")  # fmt: skip
GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())


def found_of(truth, results):
    """Results of each picture as our arrays."""
    numbers = {one["id"]: at for at, one in enumerate(truth["categories"])}
    for image in truth["images"]:
        mine = [one for one in results if one["image_id"] == image["id"]]
        boxes = np.array([one["bbox"] for one in mine], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([numbers[one["category_id"]] for one in mine], np.int64)
        yield Found(boxes, labels, np.array([one["score"] for one in mine], np.float64))


def test_the_numbers_are_those_of_pycocotools_on_two_hundred_random_sets_read_from_json(tmp_path):
    assert len(GOLDENS) == coco_sets.COUNT == 200
    crowds = 0
    for seed, golden in enumerate(GOLDENS):
        truth, results = coco_sets.random_set(seed)
        coco_sets.write(tmp_path, truth)
        data = read_data(tmp_path)
        crowds += sum(box.crowd for example in data.examples for box in example.boxes)
        ours = coco_metrics(data.examples, list(found_of(truth, results)), data.class_names)
        numbers = [-1.0 if ours[name] is None else ours[name] for name in NAMES]
        np.testing.assert_allclose(numbers, golden, atol=1e-6, rtol=0, err_msg=f"seed {seed}")
    assert crowds > 200


def test_a_class_has_its_own_numbers_and_one_without_objects_none():
    examples = [Example(Path("a.png"), (0, 1), (Box(0, (0, 0, 10, 10)), Box(1, (20, 20, 40, 40))))]
    found = [Found(np.array([[0, 0, 10, 10], [20, 20, 40, 41.0]]), np.array([0, 1]), np.array([0.9, 0.8]))]
    measured = coco_metrics(examples, found, ("cat", "dog", "owl"))
    assert measured["per_class"]["cat"] == {"ap": 1.0, "ap50": 1.0, "count": 1}
    assert measured["per_class"]["dog"]["ap"] == pytest.approx(1.0)  # an overlap of 400 / 420 is above .95
    assert "owl" not in measured["per_class"]
    assert measured["ap_large"] is None


def test_nothing_found_and_nothing_there_are_no_errors():
    empty, some = Example(Path("a.png"), ()), Example(Path("b.png"), (0,), (Box(0, (0, 0, 10, 10)),))
    assert coco_metrics([empty], [Found.nothing()], ("cat",))["ap"] is None
    assert coco_metrics([some, empty], [Found.nothing()] * 2, ("cat",))["ap"] == 0.0


def test_results_are_read_back_by_pycocotools_format():
    found = Found(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([1]), np.array([0.25]))
    assert coco_results("a", found, [3, 7]) == [
        {"image_id": "a", "category_id": 7, "bbox": [1.0, 2.0, 3.0, 6.0], "score": 0.25}
    ]
