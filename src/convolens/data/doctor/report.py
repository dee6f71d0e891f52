"""A diagnosis as text for the terminal, and as a page with the pictures that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from convolens.data import Example
from convolens.data.doctor.annotations import corners
from convolens.data.doctor.diagnosis import Diagnosis
from convolens.data.doctor.findings import Finding, Instance
from convolens.errors import printable
from convolens.pages import Part, report
from convolens.pages.figures import row, table
from convolens.pages.pictures import Labeled, file_picture

SAMPLES = 12
SHOWN_INSTANCES = 4


def as_text(found: Diagnosis) -> str:
    """Lines for the terminal: what is in the data, what is wrong, and the verdict last."""
    lines = [*_summary(found), *(line for one in found.findings for line in _lines(one)), verdict(found)]
    return "\n".join(map(printable, lines))  # names of files and classes come from anywhere


def verdict(found: Diagnosis) -> str:
    """One line: how many faults and notes."""
    faults = len(found.faults)
    notes = len(found.findings) - faults
    if not found.findings:
        return "clean: nothing found"
    return f"{faults} kind{'s' * (faults != 1)} of fault, {notes} note{'s' * (notes != 1)}"


def as_page(found: Diagnosis) -> str:
    """A page that fetches nothing: the numbers, every finding with pictures of it, and samples with their boxes."""
    facts = found.facts
    classes = [(name, f"{count:,}") for name, count in facts["classes"].items()]
    channels = [(name, f"{count:,}") for name, count in facts["channels"].items()]
    sizes = [(name, f"{one['width']} × {one['height']}") for name, one in facts["sizes"].items()]
    tables = [
        table(("class", "examples"), classes, "How many examples show each class."),
        table(("sides", "width × height"), sizes, "In pixels, each side on its own."),
        table(("channels", "files"), channels, _channels_are(facts)),
    ]
    parts = [Part("What is in it", " · ".join(_summary(found)[:1]), [row(*tables)])]
    parts += [_finding_part(one, found.data.folder) for one in found.findings]
    parts.append(Part("Samples", "Evenly spaced through the data.", list(_samples(found))))
    return report(f"{found.data.root.name}: {verdict(found)}", str(found.data.root), parts)


def _channels_are(facts: dict[str, Any]) -> str:
    return f"What the files hold; all are {'heard as their mean' if 'rates' in facts else 'read as RGB'}."


def _summary(found: Diagnosis) -> list[str]:
    facts = found.facts
    splits = ", ".join(f"{name} {count:,}" for name, count in facts["splits"].items())
    what = {"label": "one label each", "labels": "any number of labels", "boxes": f"{facts['boxes']:,} boxes"}
    of = facts.get("of", "pictures")
    first = f"{facts['format']}: {facts['pictures']:,} {of}{f' ({splits})' * bool(splits)}, "
    first += f"{len(facts['classes'])} classes, {what[facts['kind']]}"
    if facts["without_objects"]:
        first += f", {facts['without_objects']:,} {of} without any"
    lines = [first, "classes   " + _listed(facts["classes"], 12), "channels  " + _listed(facts["channels"], 12)]
    if "seconds" in facts:
        lasts = facts["seconds"]
        lines.append("rates     " + _listed(facts["rates"], 12))
        lines.append(f"seconds   {lasts['all']:,.1f} in {facts['files']:,} files of {lasts['shortest']:.2f} to "
                     f"{lasts['longest']:.2f}, median {lasts['median']:.2f}")  # fmt: skip
    if facts["sizes"]:
        small, middle, large = (f"{one['width']}×{one['height']}" for one in facts["sizes"].values())
        lines.append(f"sizes     {small}" if small == large else f"sizes     {small} to {large}, median {middle}")
    return lines


def as_html(found: Diagnosis) -> str:
    """The report for a notebook: what the data holds, and of each finding the first places."""
    rows = "".join(
        f"<tr><td>{escape(one.level)}</td><td>{escape(one.kind)}</td><td>{one.count:,}</td>"
        f'<td style="text-align:left">{escape(one.sentence)}<br>{"<br>".join(_escaped(one))}</td></tr>'
        for one in found.findings
    )
    head = "<tr><th>level</th><th>kind</th><th>count</th><th>what and where</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else "<p>clean: nothing found</p>"
    return f"<pre>{escape(chr(10).join(_summary(found)))}</pre>{table}"


def _escaped(one: Finding) -> Iterator[str]:
    for instance in one.instances[:SHOWN_INSTANCES]:
        yield f"<code>{escape(_words(instance))}</code>"
    if one.count > SHOWN_INSTANCES:
        yield f"… {one.count - SHOWN_INSTANCES:,} more"
    yield f"next: {escape(one.next_step)}"


def _listed(counts: dict[str, int], most: int) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:most])
    return shown + (f", … {len(counts)} in all" if len(counts) > most else "")


def _lines(one: Finding) -> Iterator[str]:
    yield f"{one.level:<6}{one.kind}: {one.count:,} {one.sentence}"
    for instance in one.instances[:SHOWN_INSTANCES]:
        yield f"        {_words(instance)}"
    if one.count > SHOWN_INSTANCES:
        yield f"        … {one.count - SHOWN_INSTANCES:,} more"
    yield f"        next: {one.next_step}"


def _words(instance: Instance) -> str:
    """The path and the text, which may name it already."""
    if str(instance.path) in instance.text:
        return instance.text
    box = "(" + ", ".join(f"{value:g}" for value in instance.box) + ")" if instance.box and not instance.text else ""
    return f"{instance.path}: {instance.text or box}" if instance.text or box else str(instance.path)


def _finding_part(one: Finding, folder: Path) -> Part:
    figures = [row(*shown)] if (shown := list(_pictures(one.instances[:SHOWN_INSTANCES]))) else []
    named = table(("where", "what"), [_row(i, folder) for i in one.instances], f"{one.count:,} in all.")
    lead = f"{one.count:,} {one.sentence}. Next: {one.next_step}."
    return Part(f"{one.kind.capitalize()}: {one.count:,}", lead, [*figures, named])


def _row(instance: Instance, folder: Path) -> tuple[str, str]:
    """Where and what, without the folder that all of it is in."""
    where = instance.path.relative_to(folder) if instance.path.is_relative_to(folder) else instance.path
    return str(where), instance.text.removeprefix(f"{instance.path}: ").replace(f"{folder}/", "")


def _pictures(instances: Sequence[Instance]) -> Iterator[Markup]:
    for instance in instances:
        for path in (instance.path, *([instance.other] if instance.other else [])):
            yield from file_picture(path, [Labeled(instance.box)] if instance.box else [])


def _samples(found: Diagnosis) -> Iterator[Markup]:
    examples, names = found.data.examples, found.data.class_names
    chosen = [examples[at] for at in np.unique(np.linspace(0, len(examples) - 1, SAMPLES).astype(int)) if examples]
    yield row(*(figure for example in chosen for figure in _sample(example, names)))


def _sample(example: Example, names: Sequence[str]) -> Iterator[Markup]:
    labels = ", ".join(names[label] for label in example.labels) or "nothing"
    boxes = [Labeled(corners(box), names[box.label]) for box in example.boxes]
    yield from file_picture(example.path, boxes, labels)
