"""The page on which suspects are decided on: pictures, keys, and a file of decisions to save. It needs a browser alone.

What is shown is HTML made here, escaped; the script only marks decisions and writes the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files

from convolens.labels.changes import COLUMNS, path_in_data
from convolens.labels.found import LabelCheck, Suspect
from convolens.media.found_pictures import File
from convolens.pages import Part, report
from convolens.pages.pictures import file_picture

MOST = 300  # suspects with pictures, about 40 kB each; all are in the file that is saved


def as_page(found: LabelCheck) -> str:
    """The page as HTML that fetches nothing, with the first `MOST` suspects."""
    shown = found.suspects[:MOST]
    cards = "".join(_card(number, one, found) for number, one in enumerate(shown))
    lead = f"{found.data.root}: {found.verdict}"
    how = (
        "Likeliest first. Decide each by its buttons or by keys: K keeps the label, R relabels, S sets the picture "
        "aside, U undoes, J and P go on and back, D saves the file of decisions. Nothing of your data is changed until "
        "you apply that file: convolens apply labels.changes.csv DATA --to NEW."
    )
    rest = len(found.suspects) - len(shown)
    if rest:
        how += f" {rest:,} more are in the file and are not shown; apply this one, then look again."
    parts = [Part("Decide", how, [_desk(found), f'<div class="cards">{cards}</div>', _script(found)])]
    parts += [Part("Worth knowing", " ".join(_sentence(one) for one in found.notes))] if found.notes else []
    return report(f"{found.name}: labels", lead, parts)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _card(number: int, one: Suspect, found: LabelCheck) -> str:
    pictures = [
        _pictured(one.path, f"Labelled {one.label}"),
        _pictured(one.like_suggested, f"Most like it in {one.suggested}"),
        _pictured(one.like_label, f"Most like it in {one.label}"),
    ]
    options = "".join(
        f"<option{' selected' * (name == one.suggested)}>{escape(name)}</option>"
        for name in found.data.class_names
        if name != one.label
    )
    where = escape(path_in_data(found.data.root, one.path))
    return (
        f'<article class="card" id="card{number}" data-number="{number}" tabindex="-1"><h3>{escape(one.label)} → '
        f'{escape(one.suggested)} <span class="chance">{one.probability:.0%}</span></h3><p class="where">{where}</p>'
        f'<div class="three">{"".join(pictures)}</div><div class="buttons">'
        f'<button type="button" data-decision="keep">Keep <kbd>K</kbd></button>'
        f'<button type="button" data-decision="relabel">Relabel <kbd>R</kbd></button>'
        f'<select aria-label="New label">{options}</select>'
        f'<button type="button" data-decision="set aside">Set aside <kbd>S</kbd></button></div></article>'
    )


def _pictured(path: File | None, words: str) -> str:
    figure = next(file_picture(path, caption=words), "") if path is not None else ""
    return figure or f'<figure class="picture"><figcaption>{escape(words)}: none</figcaption></figure>'


def _desk(found: LabelCheck) -> str:
    style = (files("convolens.labels") / "page.css").read_text(encoding="utf-8")
    return (
        f"<style>{style}</style>"
        '<div class="desk"><output id="count" aria-live="polite"></output>'
        '<button type="button" id="undo">Undo <kbd>U</kbd></button>'
        '<button type="button" id="save">Save decisions <kbd>D</kbd></button></div>'
    )


def _script(found: LabelCheck) -> str:
    rows = [asdict(one) for one in found.changes()]
    values: dict[str, str | Sequence[object]] = {
        "columns": COLUMNS,
        "rows": [[row[name] for name in COLUMNS] for row in rows],
        "key": hashlib.sha256(json.dumps([str(found.data.root), rows]).encode()).hexdigest()[:16],
    }
    # Within a script only "</script" and "<!--" have a meaning; in JSON "<" may be written as an escape.
    data = json.dumps(values).replace("<", "\\u003c")
    code = (files("convolens.labels") / "page.js").read_text(encoding="utf-8")
    return f'<script type="application/json" id="changes">{data}</script><script>{code}</script>'
