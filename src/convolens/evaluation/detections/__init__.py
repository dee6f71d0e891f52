"""How good detections are, in the field's numbers: COCO's and VOC's average precision, what was predicted as what.

found.py      a detector over examples: `Found`, what is in each picture
coco.py       average precision over overlaps of .5 to .95, by size and class, as COCO counts it
voc.py        average precision at an overlap of .5, VOC's two ways, and the curves behind it
confusion.py  which class was predicted as which, found where nothing is, or missed
    results.py    predictions as COCO's results
"""

from convolens.evaluation.detections.coco import coco_metrics, coco_results
from convolens.evaluation.detections.confusion import detection_confusion
from convolens.evaluation.detections.found import Found
from convolens.evaluation.detections.results import read_coco_ids, write_coco_results
from convolens.evaluation.detections.voc import Curve, curves, voc_metrics

__all__ = [
    "Curve",
    "Found",
    "coco_metrics",
    "coco_results",
    "curves",
    "detection_confusion",
    "read_coco_ids",
    "voc_metrics",
    "write_coco_results",
]
