"""Sounds: a folder for each class, or a CSV of parts of recordings."""

from convolens.data.format import Format
from convolens.data.formats.sounds.reader import read, recognize

FORMAT = Format("sounds", recognize, read)
