"""The little of YAML that YOLO's `data.yaml` files use, so that one small file costs no dependency.

path: ../pictures            names: [cat, dog]        names:            names:
train: images/train                                     - cat             0: cat
                                                        - dog             1: dog
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convolens.data.files import read_text
from convolens.errors import FormatError


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys with text, lists of text, or text by key; everything is text.

    Raises:
        FormatError: anything else of YAML's.
    """
    found: dict[str, Any] = {}
    key = ""
    for at, raw in enumerate(read_text(path, "YOLO's description").splitlines(), start=1):
        line = _without_comment(raw)
        if not line.strip() or line.strip() in ("---", "..."):
            continue
        indented, text = line[0] in " \t", line.strip()
        if text.startswith("- ") and key:
            found[key] = [*(found[key] or []), _plain(text[2:])]
            continue
        name, colon, value = text.partition(":")
        if not colon or (indented and not key) or text[0] in "{[&*!|>":
            raise FormatError(f"{path}: line {at}: need `key: value` or `- value`, got {text!r:.60}")
        if indented:
            found[key] = (found[key] or {}) | {_plain(name): _plain(value)}
        else:
            key = _plain(name)
            found[key] = _value(value.strip())
    return found


def _value(text: str) -> str | list[str] | dict[str, str]:
    """Text, `[a, b]` or `{0: a, 1: b}`."""
    if text.startswith("[") and text.endswith("]"):
        return [_plain(one) for one in text[1:-1].split(",") if one.strip()]
    if text.startswith("{") and text.endswith("}"):
        pairs = (one.partition(":") for one in text[1:-1].split(",") if one.strip())
        return {_plain(name): _plain(value) for name, _, value in pairs}
    return _plain(text)


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _without_comment(line: str) -> str:
    """The line up to a `#` at its start or behind a space, and not in quotes."""
    quote = ""
    for at, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and not line[:at].rstrip(" [{,:-").strip(" ").endswith(sign):
            quote = sign
        elif sign == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at].rstrip()
    return line.rstrip()
