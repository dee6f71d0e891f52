"""Notes: what is said of a file that was used nonetheless. Nothing is dropped, guessed or mended without a word.

A note is a Python warning of the category `FileNote`, so that a program can show, collect, silence or refuse them all;
the command line says them on stderr.
"""

from __future__ import annotations

import logging
import warnings

from convolens.errors import FileNote


def note(sentence: str) -> None:
    """Says something of a file; the sentence begins with the file's name."""
    found = FileNote(sentence)
    logging.getLogger("convolens").warning(str(found))  # names shown with escapes, as the note has them
    warnings.warn(found, stacklevel=2)
