"""Pascal VOC: an XML file for each picture."""

from convolens.data.format import Format
from convolens.data.formats.voc.reader import read, recognize
from convolens.data.formats.voc.writer import place, write

FORMAT = Format(
    "voc",
    recognize,
    read,
    write,
    frozenset({"boxes", "boxes alone", "difficult", "truncated", "splits", "lone split", "partial splits"}),
    place,
    by_stem=True,
)
