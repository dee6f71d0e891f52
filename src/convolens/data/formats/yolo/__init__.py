"""YOLO's text files of fractions."""

from convolens.data.format import Format
from convolens.data.formats.yolo.reader import read, recognize

FORMAT = Format(
    "yolo", recognize, read, carries=frozenset({"boxes", "outlines", "splits", "classes"}), reads_outlines=True
)
