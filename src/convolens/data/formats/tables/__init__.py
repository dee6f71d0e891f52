"""CSV: a row for each picture, or for each box."""

from convolens.data.format import Format
from convolens.data.formats.tables.reader import read, recognize

FORMAT = Format("csv", recognize, read, carries=frozenset({"label", "labels", "boxes", "splits", "order"}))
