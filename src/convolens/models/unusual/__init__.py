"""Unusual: what no good picture looks like, learned from good pictures alone.

taps.py        maps at several taps as one vector of features for each place
by_place.py    how features vary at each place (PaDiM)
memory_bank.py features that good pictures have (PatchCore)
limit.py       from which score a picture is unusual
model.py       the model
"""

from convolens.models.unusual.by_place import ByPlace
from convolens.models.unusual.memory_bank import MemoryBank
from convolens.models.unusual.model import METHODS, Inspector, inspector

__all__ = ["METHODS", "ByPlace", "Inspector", "MemoryBank", "inspector"]
