"""Data of one format written as data of another.

convert.py  one conversion, from reading to the folder's name     carry.py    what a format cannot carry, taken out
groups.py   a split that keeps what belongs together together     compare.py  what was written, read again and compared
names.py    what pictures are called in the new folder            place.py    pictures into the new folder
"""

from convolens.data.conversion.converting import Converted, convert

__all__ = ["Converted", "convert"]
