"""Look and Mend: all of a data set in a grid, and what is decided of its labels.

opening.py  data chosen and read            look.py   the grid, and what more is asked of the data
picture.py  one picture, decided on         mend.py   decisions over all, and Write
files.py    pictures as files for pages     shared.py what these have in common
"""

from fastapi import APIRouter

from convolens.studio.rendering import Tab
from convolens.studio.screens.data import files, look, mend, opening, picture

TABS = (
    Tab("Look", "/look", "at all of a data set"),
    Tab("Mend", "/mend", "labels and boxes that are wrong"),
)
router = APIRouter()
for _part in (opening, files, look, mend, picture):
    router.include_router(_part.router)
