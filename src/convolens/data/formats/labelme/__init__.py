"""labelme's JSON: a file for each picture."""

from convolens.data.format import Format
from convolens.data.formats.labelme.reader import read, recognize
from convolens.data.formats.labelme.writer import place, write

FORMAT = Format(
    "labelme",
    recognize,
    read,
    write,
    frozenset(
        {
            "boxes", "label", "labels", "boxes alone", "outlines", "parts", "outside", "difficult", "scores",
            "splits", "lone split", "partial splits", "classes",
        }
    ),
    place,
    by_stem=True,
    reads_outlines=True,
)  # fmt: skip
