"""JSON files of annotations: read whole, and known for what they are by their two ends."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.files import ends_of_file, read_text
from convolens.errors import FormatError
from convolens.memory import need_memory

# By the sign that begins or ends each: a dict of some keys, what more keys add, a list, an entry with its number, and
# half of a text, whose other half is a key's, which is shared.
_OBJECT_BYTES = {"{": 232, ":": 24, "[": 72, ",": 38, '"': 14}


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no JSON, too deep, or has numbers too long.
        MemoryRefused: it, or what it holds, needs more than the budget of memory.
    """
    try:
        text = read_text(path, what)
        need_memory(parsed_bytes(text), path, "split it")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: need JSON, got {error}") from error


def parsed_bytes(text: str) -> int:
    """About what Python's objects of a JSON text take, rather more than less: by its signs, before it is parsed.

    >>> parsed_bytes("[1, 2.5]"), parsed_bytes('{"a": []}') > 250
    (110, True)
    """
    return sum(size * text.count(sign) for sign, size in _OBJECT_BYTES.items())


def keys_in(path: Path, start: str, names: tuple[str, ...]) -> frozenset[str]:
    """Which of the names are keys at the ends of a JSON file that begins with `{` or `[`; none in any other file."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return frozenset()
    ends = ends_of_file(path)
    if ends.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, as shells on Windows write it
        ends = ends[2:].replace(b"\0", b"")
    if not ends.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start.encode()):
        return frozenset()
    return frozenset(name for name in names if re.search(rb'"' + name.encode() + rb'"\s*:', ends))


def real(value: Any, what: str) -> float:
    """A number of a JSON file.

    Raises:
        ValueError: it is none that a double can hold; `what` says what was needed.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise ValueError(f"need {what}, got {short(value)}")
