"""VisDrone's text files, which are only read."""

from convolens.data.format import Format
from convolens.data.formats.visdrone.reader import read, recognize

FORMAT = Format("visdrone", recognize, read)
