"""COCO's JSON."""

from convolens.data.format import Format
from convolens.data.formats.coco.reader import read, recognize
from convolens.data.formats.coco.writer import write

FORMAT = Format(
    "coco",
    recognize,
    read,
    write,
    frozenset(
        {
            "boxes", "boxes alone", "outlines", "parts", "own boxes", "outside", "crowds", "areas", "scores",
            "ids", "splits", "partial splits", "classes", "order",
        }
    ),
    reads_outlines=True,
)  # fmt: skip
