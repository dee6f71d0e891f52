"""Supervisely's projects, which are only read."""

from convolens.data.format import Format
from convolens.data.formats.supervisely.reader import read, recognize

FORMAT = Format("supervisely", recognize, read, reads_outlines=True)
