"""Apple's Create ML's JSON, which is only read."""

from convolens.data.format import Format
from convolens.data.formats.createml.reader import read, recognize

FORMAT = Format("createml", recognize, read)
