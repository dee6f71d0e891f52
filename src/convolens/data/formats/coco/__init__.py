"""COCO's JSON."""

from convolens.data.format import Format
from convolens.data.formats.coco.reader import read, recognize

FORMAT = Format(
    "coco",
    recognize,
    read,
    carries=frozenset({"boxes", "outlines", "crowds", "areas", "scores", "ids", "splits", "classes", "order"}),
    reads_outlines=True,
)
