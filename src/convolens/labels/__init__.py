"""Labels that are wrong: found by what a head on fixed features would say of each picture, decided on, and mended.

checking.py           a data set looked through: checking_pictures.py, checking_boxes.py
confident.py          which labels are likely wrong; confident_boxes.py: which boxes, at places.py
detections.py         what detectors find that did not learn from the boxes
descriptions.py       what pictures look like, in numbers; leaks.py: which are nearly one of another split
neighbors.py          the evidence for a label; close_up.py: for a box
found.py              what was found; page.py: the page to decide on
changes.py            what is decided; change_files.py: its files, tables and lines
mending.py            decisions applied, into a new data set; deciding.py: whether they can be

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
