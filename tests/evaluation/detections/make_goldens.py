"""Makes goldens.json: pycocotools' twelve numbers for each of `coco_sets`' random sets.

Needs pycocotools (2.0.11 made the committed file).

    python tests/evaluation/detections/make_goldens.py
"""

import contextlib
import io
import json
from pathlib import Path

import coco_sets
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def indexed(dataset):
    made = COCO()
    made.dataset = dataset
    made.createIndex()
    return made


def stats(truth, results):
    gold = indexed(truth)
    found = gold.loadRes(results) if results else indexed(truth | {"annotations": []})
    evaluated = COCOeval(gold, found, "bbox")
    evaluated.evaluate()
    evaluated.accumulate()
    evaluated.summarize()
    return [round(float(value), 9) for value in evaluated.stats]


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        found = [stats(*coco_sets.random_set(seed)) for seed in range(coco_sets.COUNT)]
    text = ",\n".join(json.dumps(one) for one in found)
    (Path(__file__).parent / "goldens.json").write_text(f"[\n{text}\n]\n")
