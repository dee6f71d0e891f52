"""VIA's (VGG Image Annotator's) JSON and CSV, which are only read."""

from convolens.data.format import Format
from convolens.data.formats.via.reader import read, recognize

FORMAT = Format("via", recognize, read, reads_outlines=True)
