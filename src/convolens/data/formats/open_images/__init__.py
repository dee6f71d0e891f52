"""Open Images' CSV files."""

from convolens.data.format import Format
from convolens.data.formats.open_images.reader import read, recognize

FORMAT = Format("open-images", recognize, read)
