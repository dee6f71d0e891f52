"""What a shell completes: trunks, weights, taps, models, and the words that options take.

`convolens --install-completion` sets it up; each press of the tab key runs this command anew, so nothing here loads
torch: the names stand in `names.json`, which `docs/make_reference.py` writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

Given = Mapping[str, Any]  # what stands on the line already, by parameter

_MOST_HEADER = 1 << 20  # bytes of a model file that are read to know its trunk
_MODELS = (".safetensors", ".onnx")


def attach(command: Any) -> None:
    """Has a command, and those below it, complete what is in the table."""
    for one in getattr(command, "commands", {}).values():
        attach(one)
    for parameter in command.params:
        found = _COMPLETED.get(parameter.name)
        if found is not None:
            parameter._custom_shell_complete = _completing(found)


def _completing(found: Callable[[Given, str], Iterable[str]]) -> Callable[[Any, Any, str], list[str]]:
    def complete(context: Any, parameter: Any, begun: str) -> list[str]:
        return [name for name in found(context.params, begun) if name.startswith(begun)]

    return complete


@cache
def names() -> dict[str, Any]:
    """By name: the `taps` and `weights` of each trunk, and the words of options."""
    table: dict[str, Any] = json.loads(files("convolens.cli").joinpath("names.json").read_text(encoding="utf-8"))
    return table


def _trunks(given: Given, begun: str) -> Iterable[str]:
    return list(names()["trunks"])


def _weights(given: Given, begun: str) -> Iterable[str]:
    """Those of the trunk on the line, else of all; and files."""
    trunks = names()["trunks"]
    chosen = [trunks[given["trunk"]]] if given.get("trunk") in trunks else trunks.values()
    return [*dict.fromkeys(name for one in chosen for name in one["weights"]), *_paths(begun, (".safetensors", ".pth"))]


def _published(given: Given, begun: str) -> Iterable[str]:
    return [f"{trunk}/{name}" for trunk, one in names()["trunks"].items() for name in one["weights"]]


def _taps(given: Given, begun: str) -> Iterable[str]:
    """Those of the trunk on the line, or of the model's; else of VGG16, which most commands begin with."""
    of_models = filter(None, map(_trunk_of, _line()))
    trunk = given.get("trunk") or next(of_models, "vgg16")
    found: list[str] = names()["trunks"].get(trunk, {"taps": []})["taps"]
    return found


def _models(given: Given, begun: str) -> Iterable[str]:
    """Model files, run folders, and folders on the way to them."""
    return _paths(begun, _MODELS)


def _paths(begun: str, suffixes: Iterable[str]) -> list[str]:
    head, _, last = begun.rpartition("/")
    folder = Path(head or ("/" if begun.startswith("/") else "."))
    before = begun[: len(begun) - len(last)]
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return []
    shown = [one for one in inside if one.name.startswith(last) and not one.name.startswith(".")]
    return [
        before + one.name + ("/" if one.is_dir() and not (one / "best.safetensors").is_file() else "")
        for one in shown
        if one.is_dir() or one.suffix in suffixes
    ]


def _line() -> list[str]:
    """The words of the line; typer leaves out arguments before an option whose value is still to come."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return [word for word in line.split() if not word.startswith("-")]


def _trunk_of(model: str) -> str | None:
    """The name of a model's trunk, as the header of its file says it; None where that cannot be known."""
    path = Path(model)
    try:
        with (path / "best.safetensors" if path.is_dir() else path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MOST_HEADER else {}
        return str(json.loads(header["__metadata__"]["trunk"])["name"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _words(name: str) -> Callable[[Given, str], Iterable[str]]:
    return lambda given, begun: names()["words"][name]


_COMPLETED: Mapping[str, Callable[[Given, str], Iterable[str]]] = {
    "trunk": _trunks,
    "weights": _weights,
    "name": _published,  # of `weights get`
    "tap": _taps,
    "content_tap": _taps,
    "style_tap": _taps,
    "model": _models,
    "boundary": _words("boundary"),
    "as_format": _words("format"),
    "to": _words("format"),
    "device": _words("device"),
}
