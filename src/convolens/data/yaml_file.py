"""Small YAML files, read by PyYAML's own parser into text, lists and mappings, and nothing else.

No tag makes an object, no alias copies a part (a file of 1 kB could grow to gigabytes by them), a key may stand once,
and what is not quoted stays the text it is: `0`, `yes` and `12` are names as good as others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from convolens.data.files import read_text
from convolens.errors import FormatError

MAX_BYTES = 4 << 20  # 100,000 class names have half of it
MAX_DEPTH = 20  # of lists in lists: what describes data needs three, and the parser itself recurses


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a file holds: its values are text, lists and mappings of such, its keys text.

    Raises:
        FileError: it is not there or cannot be read.
        FormatError: too large or too deep, no YAML, no mapping, an alias, or a key that stands twice.
    """
    text = read_text(path, "YAML", most=MAX_BYTES)
    try:
        _check(path, text)
        top = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as error:
        raise FormatError(f"{path}: need YAML, got {_one_line(error)}") from error
    if not isinstance(top, yaml.MappingNode):
        raise FormatError(f"{path}: need YAML with a mapping `key: value`, got {top.id if top else 'nothing'}")
    found: dict[str, Any] = _built(path, top)
    return found


def _check(path: Path, text: str) -> None:
    """Refuses what is too deep or has aliases, event by event, before anything is built or recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        where = f"{path}: line {event.start_mark.line + 1}"
        if depth > MAX_DEPTH:
            raise FormatError(f"{where}: need YAML of at most {MAX_DEPTH} levels, got more")
        if isinstance(event, yaml.AliasEvent):
            raise FormatError(f"{where}: need YAML without aliases, got *{event.anchor}; write the value out")


def _built(path: Path, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_built(path, one) for one in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    found: dict[str, Any] = {}
    for key, value in node.value:
        where = f"{path}: line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise FormatError(f"{where}: need text as a key, got a {key.id}")
        if key.value in found:
            raise FormatError(f"{where}: need each key once, got {key.value!r} again")
        found[key.value] = _built(path, value)
    return found


def _one_line(error: yaml.YAMLError) -> str:
    """What the parser says, its line first, without the excerpt of the file that it adds below."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).splitlines()[0]
