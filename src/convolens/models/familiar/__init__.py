"""Familiar: whether a picture is like those that a classifier learned from.

class_statistics.py  what descriptions of learned pictures are like, and how far another's is from them
kept_out.py          how far pictures that were not learned from are, which makes a distance a probability
familiarity.py       both, as a classifier keeps them
"""

from convolens.models.familiar.class_statistics import ClassStatistics, descriptions
from convolens.models.familiar.familiarity import Familiarity
from convolens.models.familiar.kept_out import KeptOut

__all__ = ["ClassStatistics", "Familiarity", "KeptOut", "descriptions"]
