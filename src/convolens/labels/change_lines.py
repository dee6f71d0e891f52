"""`labels.changes.jsonl`: decisions on data with boxes, or any number of classes; a line for each picture.

    {"path": "images/1.jpg", "decision": "fix", "before": [{"label": "cat", "box_xyxy": [1, 2, 30, 40]}], "after": […]}

path      of the picture, from the folder that the data is in, with `/`
decision  `keep`, `fix` or `set aside`
before    the objects that the data says, in its order; without `box_xyxy` in data without boxes
after     the objects that there are, where they are fixed
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convolens.errors import FormatError
from convolens.labels.changes import FIX, Change, Object


def lines_bytes(changes: Sequence[Change]) -> bytes:
    """The file's content."""
    lines = [json.dumps(_plain(one), ensure_ascii=False) + "\n" for one in changes]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _plain(one: Change) -> dict[str, Any]:
    said: dict[str, Any] = {"path": one.path, "decision": one.decision, "before": list(map(_plain_object, one.before))}
    return said | ({"after": list(map(_plain_object, one.after))} if one.decision == FIX else {})


def _plain_object(one: Object) -> dict[str, Any]:
    return {"label": one.label} | ({"box_xyxy": list(one.box_xyxy)} if one.box_xyxy else {})


def lines_changes(content: bytes, file: Path) -> Iterator[Change]:
    """The changes of a file's content; a `FormatError` names a line that is none."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for at, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            before, after = (tuple(map(_object, said.get(name, ()))) for name in ("before", "after"))
            yield Change(str(said["path"]), str(said["decision"]), before, after, whole=True)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{file}: line {at}: need a change with path, decision, before and perhaps after, got {error}"
            ) from error


def _object(said: dict[str, Any]) -> Object:
    if (corners := said.get("box_xyxy")) is None:
        return Object(str(said["label"]))
    x1, y1, x2, y2 = map(float, corners)
    return Object(str(said["label"]), (x1, y1, x2, y2))
