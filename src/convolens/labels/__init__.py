"""Labels that are wrong: found by what a head on fixed features would say of each picture, decided on, and mended.

checking.py   a data set looked through          changes.py   the file of decisions
confident.py  which labels are likely wrong      mending.py   decisions applied, into a new data set
neighbors.py  the evidence for each              found.py     what was found; page.py: the page to decide on

object_changes.py and object_mending.py are the file and the mending of boxes, and of pictures of several classes.
Only what looks through labels needs a network: it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from convolens.labels.found import LabelCheck, Suspect
from convolens.labels.mending import Mended, apply_changes
from convolens.labels.page import as_page

if TYPE_CHECKING:
    from convolens.labels.checking import check_labels

__all__ = ["LabelCheck", "Mended", "Suspect", "apply_changes", "as_page", "check_labels"]


def __getattr__(name: str) -> Any:
    if name != "check_labels":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from convolens.labels.checking import check_labels

    return check_labels
