"""The page on which suspects are decided on: pictures, keys, and a file of decisions to save. It needs a browser alone.

What is shown is HTML made here, escaped; the script only marks decisions and writes the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from markupsafe import Markup

from convolens.labels.changes import COLUMNS, path_in_data
from convolens.labels.found import LabelCheck, Suspect
from convolens.media.found_pictures import File
from convolens.pages import Part, report
from convolens.pages.fragments import fragment, own_text
from convolens.pages.pictures import file_picture

PACKAGE = "convolens.labels"
MOST = 300  # suspects with pictures, about 40 kB each; all are in the file that is saved


def as_page(found: LabelCheck) -> str:
    """The page as HTML that fetches nothing, with the first `MOST` suspects."""
    shown = found.suspects[:MOST]
    lead = f"{found.data.root}: {found.verdict}"
    how = (
        "Likeliest first. Decide each by its buttons or by keys: K keeps the label, R relabels, S sets the picture "
        "aside, U undoes, J and P go on and back, D saves the file of decisions. Nothing of your data is changed until "
        "you apply that file: convolens apply labels.changes.csv DATA --to NEW."
    )
    rest = len(found.suspects) - len(shown)
    if rest:
        how += f" {rest:,} more are in the file and are not shown; apply this one, then look again."
    parts = [Part("Decide", how, [_desk(), _cards(shown, found), _script(found)])]
    parts += [Part("Worth knowing", " ".join(_sentence(one) for one in found.notes))] if found.notes else []
    return report(f"{found.name}: labels", lead, parts)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _cards(shown: Sequence[Suspect], found: LabelCheck) -> Markup:
    rows = [(one, path_in_data(found.data.root, one.path), _pictures(one)) for one in shown]
    return fragment("label_cards.html", "cards", rows, found.data.class_names, package=PACKAGE)


def _pictures(one: Suspect) -> list[tuple[str, Markup | None]]:
    """The suspect and those most like it: words, and the figure where there is one."""
    return [
        _pictured(one.path, f"Labelled {one.label}"),
        _pictured(one.like_suggested, f"Most like it in {one.suggested}"),
        _pictured(one.like_label, f"Most like it in {one.label}"),
    ]


def _pictured(path: File | None, words: str) -> tuple[str, Markup | None]:
    return words, next(file_picture(path, caption=words), None) if path is not None else None


def _desk() -> Markup:
    return fragment("label_cards.html", "desk", own_text(PACKAGE, "page.css"), package=PACKAGE)


def _script(found: LabelCheck) -> Markup:
    rows = [asdict(one) for one in found.changes()]
    values: dict[str, str | Sequence[object]] = {
        "columns": COLUMNS,
        "rows": [[row[name] for name in COLUMNS] for row in rows],
        "key": hashlib.sha256(json.dumps([str(found.data.root), rows]).encode()).hexdigest()[:16],
    }
    return fragment("label_cards.html", "script", values, own_text(PACKAGE, "page.js"), package=PACKAGE)
