"""A model as a web page: a folder with the page, the model and what runs it, which needs no network and no server.

A page that is opened from a disk may read no other files but scripts. So the model and onnxruntime-web are scripts that
hold text in base64, some of it in several, as browsers limit how long a text may be. The page says itself, in a content
security policy, that it connects to nowhere, and its own script is known by its hash. Names of classes come from
anywhere: they are data of JSON without a `<`, and the script only ever uses them as text. What is put into the page is
escaped by its template (`templates/browser.html`), as in all pages.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from convolens.exported.facts import Facts
from convolens.exporting.browser_runtime import VERSION
from convolens.media.files import AnyPath, writing_folder
from convolens.pages.fragments import filled, own_text
from convolens.pages.html import visible

_PART = 12 << 20  # bytes of a script's content, before base64
TASKS = {
    "classify": ("What is it?", "Says which of {} a picture shows."),
    "localize": ("What is it, and where?", "Finds one of {} in a picture."),
    "detect": ("What is where?", "Finds {} in a picture."),
}
_MOST_NAMED = 12  # classes


@dataclass(frozen=True)
class Field:
    """Where the cells of a tap's map are in the network's input.

    Attributes:
        tap: its name.
        first: pixels from the input's edge to the middle of the first cell's receptive field.
        stride: pixels from cell to cell.
    """

    tap: str
    first: float
    stride: int


def write_page(
    folder: AnyPath, title: str, model: bytes, facts: Facts, fields: Sequence[Field], runtime: Sequence[bytes]
) -> None:
    """Writes the page's folder.

    Args:
        folder: a new one.
        title: of the page.
        model: takes one `picture`; gives also `activation TAP` for each field.
        facts: what is known of it.
        fields: of a classifier whose head pools.
        runtime: as `browser_runtime` gives it.

    Raises:
        FileError: something is there already, or it cannot be written.
    """
    with writing_folder(folder) as draft:
        parts = list(_pieces(model))
        names = [f"model-{number}.js" for number in range(len(parts))]
        scripts = dict(zip(names, parts, strict=True)) | {f"runtime-{n}.js": one for n, one in enumerate(runtime)}
        for name, content in scripts.items():
            (draft / name).write_text(f'convolens.part("{base64.b64encode(content).decode()}");\n', encoding="ascii")
        license_text = (files("convolens.exporting") / "browser" / "LICENSE-onnxruntime.txt").read_text(
            encoding="utf-8"
        )
        (draft / "LICENSE-onnxruntime.txt").write_text(license_text, encoding="utf-8")
        (draft / "index.html").write_text(page(title, facts, fields, names), encoding="utf-8")


def page(title: str, facts: Facts, fields: Sequence[Field], parts: Sequence[str]) -> str:
    """The page alone, as HTML.

    Args:
        title: plain text.
        facts: of the model.
        fields: as `write_page` has them.
        parts: names of the scripts that hold the model.
    """
    style = own_text("convolens.pages", "static/look.css") + _own("page.css")
    script = _own("page.js")
    task, lead = TASKS[facts.task]
    made = filled(
        "browser.html", package="convolens.exporting", policy=_policy(style, script), title=title, task=task,
        lead=lead.format(_named(facts)), about=_measured(facts), runtime=VERSION, version=facts.version, style=style,
        script=script, worker=_own("worker.js"), facts=_data(facts, fields, parts),
    )  # fmt: skip
    return visible(made)


def _own(name: str) -> Markup:
    return own_text("convolens.exporting", f"browser/{name}")


def _policy(style: str, script: str) -> str:
    """Nothing from elsewhere; scripts: this page's by its hash, those beside it, and what the page makes of them."""
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'self' 'sha256-{hashes[1]}' blob: "
        "'wasm-unsafe-eval'; worker-src blob:; img-src data: blob:; media-src blob: mediastream:; base-uri 'none'; "
        "form-action 'none'"
    )


def _data(facts: Facts, fields: Sequence[Field], parts: Sequence[str]) -> Mapping[str, Any]:
    return {
        "task": facts.task,
        "class_names": [visible(name) for name in facts.class_names],
        "least_side": facts.least_side,
        "preprocessing": {name: facts.preprocessing[name] for name in ("resize", "crop", "stretch")},
        "fields": [vars(field) for field in fields],
        "parts": list(parts),
    }


def _named(facts: Facts) -> str:
    names = list(facts.class_names)
    if len(names) > _MOST_NAMED:
        return f"{len(names):,} classes"
    return (
        ", ".join(names[:-1]) + (" and " if facts.task == "detect" else " or ") + names[-1] if names[1:] else names[0]
    )


def _measured(facts: Facts) -> str:
    metrics = {"int8": facts.int8["after"]} if facts.int8 else {}
    shown = {name: value for name, value in facts.metrics.items() if isinstance(value, float)} | metrics
    words = ", ".join(f"{name} {value:.3f}" for name, value in list(shown.items())[:4])
    return f"Measured on pictures that it was not trained on: {words}." if words else ""


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[place : place + _PART] for place in range(0, len(content), _PART))
