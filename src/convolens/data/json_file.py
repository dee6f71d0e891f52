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


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no JSON, too deep, or has numbers too long.
    """
    try:
        return json.loads(read_text(path, what))
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: need JSON, got {error}") from error


def keys_in(path: Path, start: str, names: tuple[str, ...]) -> frozenset[str]:
    """Which of the names are keys at the ends of a JSON file that begins with `{` or `[`; none in any other file."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return frozenset()
    ends = ends_of_file(path)
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
