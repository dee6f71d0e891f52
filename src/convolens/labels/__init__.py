"""Labels that are wrong: found by what a head on fixed features would say of each picture, decided on, and mended.

checking.py   a data set looked through          changes.py   the file of decisions
confident.py  which labels are likely wrong      mending.py   decisions applied, into a new data set
neighbors.py  the evidence for each              found.py     what was found; page.py: the page to decide on

object_changes.py and object_mending.py are the file and the mending of boxes, and of pictures of several classes.
"""

from convolens.labels.checking import check_labels
from convolens.labels.found import LabelCheck, Suspect
from convolens.labels.mending import Mended, apply_changes
from convolens.labels.page import as_page

__all__ = ["LabelCheck", "Mended", "Suspect", "apply_changes", "as_page", "check_labels"]
