"""The tour: everything the package does, on real sounds and pictures, as one page to read.

A section is one file with a `SECTION` in it and one line here.
"""

from __future__ import annotations

from collections.abc import Collection

from convolens.errors import need_one_of
from convolens.tour import blur, detect, edges, explain, hear, labels, localize, restyle, scan, sound, taps, textures
from convolens.tour.section import Section

SECTIONS: tuple[Section, ...] = (
    sound.SECTION,
    blur.SECTION,
    edges.SECTION,
    taps.SECTION,
    textures.SECTION,
    explain.SECTION,
    labels.SECTION,
    scan.SECTION,
    hear.SECTION,
    localize.SECTION,
    detect.SECTION,
    restyle.SECTION,
)


def choose(names: Collection[str] | None = None) -> tuple[Section, ...]:
    """The sections of these names, in the tour's order; all of them for `None` or nothing.

    Raises:
        ArgumentError: there is no section of that name.
    """
    known = [section.name for section in SECTIONS]
    for name in names or ():
        need_one_of("section", name, known)
    return tuple(section for section in SECTIONS if not names or section.name in names)
