"""Audacity's label files: a line for each label, and one for its pitches where it has some."""

from convolens.data.format import Format
from convolens.data.formats.audacity.reader import read, recognize

FORMAT = Format("audacity", recognize, read)
