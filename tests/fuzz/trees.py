"""Changes of what text files state: JSON, YAML, XML, tables and lines, as trees and as words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any
from xml.etree import ElementTree

import yaml

from tests.fuzz.mutators import changed, damaged

WORDS: tuple[str, ...] = (
    *("nan", "inf", "-inf", "-1", "0", "1", "2", "1e400", "-1e308", "9" * 400, "0x10", "1_000", "１", "1e-320", "0.5"),
    *("", " ", "\0", "\t", "é", "\u202e", "\x1b[2J", "\u2028", "\ufeff", "..", "a" * 70_000, "a/b", "a\\b", "a\\nb"),
    *("NaN", "None", "null", "true", "~", "{", "}", "[", "]", "<", "&", "%s", "{0}", '"', "'", ",", ";", ":", "#", "|"),
    *(
        "2026-01-01",
        "12:30:45",
        "!!python/object:os.system",
        "&a [*a]",
        "<<: *a",
        "---",
        "cat",
        "dog",
        "a.png",
        "c.png",
    ),
)
DEEP = ("[" * 100_000, '{"a":' * 50_000, "[" * 900 + "]" * 900, "- " * 5000)


def change_text(data: bytes, luck: Random) -> bytes:
    """One word or line of a text: replaced, dropped, doubled, moved; or its bytes."""
    if luck.random() < 0.25:
        return damaged(data, luck)
    lines = data.decode(errors="replace").splitlines(keepends=True) or [""]
    for _ in range(luck.choice((1, 1, 2, 3))):
        at = luck.randrange(len(lines))
        lines[at] = _change_line(lines[at], luck)
        if luck.random() < 0.1:
            lines[luck.randrange(len(lines))] = lines[at] * luck.choice((0, 2, 2, 300))
    text = "".join(lines)
    return _encoded(text, luck)


def _change_line(line: str, luck: Random) -> str:
    words = line.replace(",", " , ").split(" ") if luck.random() < 0.5 else [line[:at] for at in (len(line),)]
    at = luck.randrange(len(words))
    if luck.random() < 0.5 and len(words) > 1:
        words[at] = luck.choice(WORDS)
        return " ".join(words).replace(" , ", ",")
    cut = luck.randrange(len(line) + 1)
    end = luck.randrange(cut, min(cut + 6, len(line)) + 1)
    return line[:cut] + luck.choice(WORDS) + line[end:]


def _encoded(text: str, luck: Random) -> bytes:
    if luck.random() < 0.95:
        return text.encode(errors="surrogatepass")
    return text.encode(luck.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32-le")), errors="replace")


def change_json(data: bytes, luck: Random) -> bytes:
    """The tree, or its text: keys given twice, numbers that JSON has not, depth."""
    way = luck.random()
    if way < 0.6:
        value = json.loads(data)
        for _ in range(luck.choice((1, 1, 2, 4))):
            value = changed(value, luck)
        return json.dumps(value, ensure_ascii=luck.random() < 0.7).encode(errors="surrogatepass")
    if way < 0.75:
        return _one_scalar(data, luck)
    if way < 0.8:
        return luck.choice(DEEP).encode()
    return change_text(data, luck)


def _one_scalar(data: bytes, luck: Random) -> bytes:
    """One value or key put where another stood, as text."""
    text = data.decode()
    marks = [at for at, letter in enumerate(text) if letter in ":,"]
    if not marks:
        return damaged(data, luck)
    at = luck.choice(marks) + 1
    end = next((other for other in range(at, len(text)) if text[other] in ",]}"), len(text))
    value = luck.choice(('""', '"\\ud800"', "-0", "1E400", "NaN", "-Infinity", "9" * 5000, "[[]]", '{"a":1,"a":2}',
                         "tru", '"\\u0000"', luck.choice(DEEP), text[at:end]))  # fmt: skip
    return (text[:at] + value + text[end:]).encode(errors="surrogatepass")


def change_lines_of_json(data: bytes, luck: Random) -> bytes:
    """One line of several that are JSON each."""
    lines = data.splitlines(keepends=True)
    if not lines or luck.random() < 0.2:
        return change_text(data, luck)
    at = luck.randrange(len(lines))
    end = b"\n" if lines[at].endswith(b"\n") else b""
    try:
        lines[at] = change_json(lines[at], luck) + end
    except ValueError:
        lines[at] = damaged(lines[at], luck)
    return b"".join(lines)


def change_yaml(data: bytes, luck: Random) -> bytes:
    """The tree, written anew in one style or another; or the text."""
    if luck.random() < 0.5:
        return change_text(data, luck)
    value = yaml.safe_load(data)
    for _ in range(luck.choice((1, 1, 2))):
        value = changed(value, luck)
    try:
        return yaml.safe_dump(value, default_flow_style=luck.choice((None, True, False)), allow_unicode=True).encode()
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):  # what it cannot write, such as half a character
        return json.dumps(value).encode()


def change_xml(data: bytes, luck: Random) -> bytes:
    """One element: its name, text, attributes, place; or what stands before all; or the text."""
    if luck.random() < 0.4:
        return change_text(data, luck)
    root = ElementTree.fromstring(data)
    for _ in range(luck.choice((1, 1, 2, 3))):
        _change_element(root, luck)
    text = ElementTree.tostring(root, encoding="unicode")
    return (luck.choice(_XML_HEADS) if luck.random() < 0.15 else "").encode() + text.encode(errors="surrogatepass")


_XML_HEADS = (
    '<?xml version="1.0" encoding="utf-16"?>',
    '<?xml version="1.0" encoding="latin-1"?>',
    '<?xml version="1.0" encoding="x"?>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    "\ufeff",
    "<!-- " + "-" * 5000,
    "<a>" * 20_000,
)


def _change_element(root: ElementTree.Element, luck: Random) -> None:
    parents = list(root.iter())
    parent = luck.choice(parents)
    one = luck.choice(list(parent) or [parent])
    way = luck.randrange(8)
    text = "".join(letter for letter in luck.choice(WORDS) if letter.isprintable())
    if way < 3:
        one.text = text
    elif way == 3 and one is not parent:
        parent.remove(one)
    elif way == 4:
        parent.extend([one] * luck.choice((1, 2, 200)) if one is not parent else [])
    elif way == 5:
        one.tag = luck.choice([other.tag for other in parents] + ["a", "polygon"])
    elif way == 6:
        one.set(luck.choice([*one.attrib, "a"]), text)
    else:
        one.clear()


def change_table(data: bytes, luck: Random) -> bytes:
    """One cell, row or column of a table; or the text."""
    if luck.random() < 0.4:
        return change_text(data, luck)
    mark = luck.choice(",;\t,,,") if luck.random() < 0.2 else ","
    rows = list(csv.reader(io.StringIO(data.decode())))
    for _ in range(luck.choice((1, 1, 2, 4))):
        row = luck.choice(rows)
        way = luck.random()
        if way < 0.6 and row:
            row[luck.randrange(len(row))] = luck.choice((*WORDS, *(cell for other in rows for cell in other)))
        elif way < 0.75:
            rows.insert(luck.randrange(len(rows) + 1), list(row))
        elif way < 0.85 and len(rows) > 1:
            rows.remove(row)
        else:
            at = luck.randrange(len(rows[0]) + 1)
            for other in rows:
                other[at : at + luck.randrange(2)] = [luck.choice(WORDS)] if luck.random() < 0.3 else []
    out = io.StringIO()
    csv.writer(out, delimiter=mark, quoting=luck.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))).writerows(rows)
    return _encoded(out.getvalue(), luck)


def change_header(change: Callable[[Any, Random], Any]) -> Callable[[bytes, Random], bytes]:
    """The JSON header of a safetensors file, or the file's bytes."""

    def change_file(data: bytes, luck: Random) -> bytes:
        if luck.random() < 0.3:
            return damaged(data, luck)
        length = int.from_bytes(data[:8], "little")
        header = change(data[8 : 8 + length], luck)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]

    return change_file
