"""The page on which suspects are decided on: pictures, keys, and a file of decisions to save. It needs a browser alone.

What is shown is HTML made here, escaped; the script only marks decisions and writes the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from markupsafe import Markup

from convolens.labels.change_table import as_row, columns_for
from convolens.labels.changes import FIX, RELABEL, path_in_data
from convolens.labels.close_up import box_pictures
from convolens.labels.found import INVENTED, MISSING, SHIFTED, LabelCheck, Suspect, in_words
from convolens.media.found_pictures import File
from convolens.pages import Part, report
from convolens.pages.fragments import fragment, own_text
from convolens.pages.pictures import file_picture

PACKAGE = "convolens.labels"
MOST = 300  # suspects with pictures, about 40 kB each; all are in the file that is saved
TAKE = {INVENTED: "Remove", MISSING: "Add", SHIFTED: "Move"}  # what the button says that does what is suggested


def as_page(found: LabelCheck) -> str:
    """The page as HTML that fetches nothing, with the first `MOST` suspects."""
    shown = found.suspects[:MOST]
    lead = f"{found.data.root}: {found.verdict}"
    what = "keeps the box, R does what is suggested" if found.of_boxes else "keeps the label, R relabels"
    how = (
        f"Likeliest first. Decide each by its buttons or by keys: K {what}, S sets the picture aside, U undoes, "
        "J and P go on and back, D saves the file of decisions. Nothing of your data is changed until you apply that "
        "file: convolens apply labels.changes.csv DATA --to NEW."
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
    rows = [
        (_title(one, found), f"{one.probability:.0%}", path_in_data(found.data.root, one.path), _pictures(one, found),
         TAKE.get(one.kind, "Relabel") if found.of_boxes else "Relabel", one.suggested, _classes(one, found))
        for one in shown
    ]  # fmt: skip
    return fragment("label_cards.html", "cards", rows, _take(found), package=PACKAGE)


def _title(one: Suspect, found: LabelCheck) -> str:
    return in_words(one) if found.of_boxes else f"{one.label} → {one.suggested}"


def _take(found: LabelCheck) -> str:
    """The decision, as the table spells it, to do what is suggested."""
    return FIX if found.of_boxes else RELABEL


def _classes(one: Suspect, found: LabelCheck) -> list[str]:
    """The classes that it could be instead; none where nothing is to be there."""
    if one.kind == INVENTED:
        return []
    return [name for name in found.data.class_names if name != one.label or name == one.suggested]


def _pictures(one: Suspect, found: LabelCheck) -> list[tuple[str, Markup | None]]:
    """The evidence: words, and the figure where there is one. Of a label the pictures most like it, of a box itself."""
    if found.of_boxes:
        return [("", figure) for figure in box_pictures(one)]
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
    changes = found.changes()
    columns = columns_for(changes)
    rows = [[row[name] for name in columns] for row in map(as_row, changes)]
    values: dict[str, str | Sequence[object]] = {
        "columns": columns,
        "rows": rows,
        "take": _take(found),
        "key": hashlib.sha256(json.dumps([str(found.data.root), rows]).encode()).hexdigest()[:16],
    }
    return fragment("label_cards.html", "script", values, own_text(PACKAGE, "page.js"), package=PACKAGE)
