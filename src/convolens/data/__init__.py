"""Data to learn from: any of the formats in `formats` read as one `DataSet`, split, and loaded one picture at a time.

Only names, labels and boxes are kept in memory, about 0.5 kB for each picture; pictures are decoded when they are
needed.
"""

from convolens.data.dataset import Box, DataSet, Example, Skipped
from convolens.data.formats import FORMATS
from convolens.data.loading import Loaded, load
from convolens.data.reading import read_data, read_with_faults
from convolens.data.splitting import split

__all__ = [
    "FORMATS",
    "Box",
    "DataSet",
    "Example",
    "Loaded",
    "Skipped",
    "load",
    "read_data",
    "read_with_faults",
    "split",
]
