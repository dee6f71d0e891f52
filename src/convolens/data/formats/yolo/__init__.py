"""YOLO's text files of fractions; `yolo-seg`, in which every object is an outline, is read as `yolo` is."""

from convolens.data.format import Format
from convolens.data.formats.yolo.reader import read, recognize
from convolens.data.formats.yolo.writer import write, write_outlines

FORMAT = Format(
    "yolo",
    recognize,
    read,
    write,
    frozenset({"boxes", "boxes alone", "splits", "lone split", "classes"}),
    by_stem=True,
    reads_outlines=True,
)
OUTLINES = Format(
    "yolo-seg",
    recognize,
    read,
    write_outlines,
    frozenset({"boxes", "outlines", "splits", "lone split", "classes"}),
    by_stem=True,
    reads_outlines=True,
)
