"""A folder for each class."""

from convolens.data.format import Format
from convolens.data.formats.folders.reader import read, recognize
from convolens.data.formats.folders.writer import place, write

FORMAT = Format("folders", recognize, read, write, frozenset({"label", "splits", "lone split"}), place)
