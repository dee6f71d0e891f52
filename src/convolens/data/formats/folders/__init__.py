"""A folder for each class."""

from convolens.data.format import Format
from convolens.data.formats.folders.reader import read, recognize

FORMAT = Format("folders", recognize, read, carries=frozenset({"label", "splits"}))
