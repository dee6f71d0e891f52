"""Raven's selection tables: times and pitches of what is selected, a row each."""

from convolens.data.format import Format
from convolens.data.formats.raven.reader import read, recognize

FORMAT = Format("raven", recognize, read)
