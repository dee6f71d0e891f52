"""Pascal VOC: an XML file for each picture."""

from convolens.data.format import Format
from convolens.data.formats.voc.reader import read, recognize

FORMAT = Format("voc", recognize, read, carries=frozenset({"boxes", "difficult", "truncated", "splits"}))
