"""CVAT for images 1.1: one XML file for all pictures."""

from convolens.data.format import Format
from convolens.data.formats.cvat.reader import read, recognize
from convolens.data.formats.cvat.writer import write

FORMAT = Format(
    "cvat",
    recognize,
    read,
    write,
    frozenset(
        {
            "boxes", "labels", "boxes alone", "outlines", "parts", "outside", "crowds", "difficult", "truncated",
            "splits", "lone split", "partial splits", "classes", "order",
        }
    ),
    reads_outlines=True,
)  # fmt: skip
