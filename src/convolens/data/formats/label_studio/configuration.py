"""Label Studio's labeling configuration: which classes there are, and whether a picture has one label or any number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convolens.data.dataset import Kind
from convolens.data.xml_file import read_xml, top_tag
from convolens.media.picture_files import is_left_out

TOP = "View"
MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Configuration:
    """The labels of shapes and the choices, in order, and whether of these a picture has one or any number."""

    shapes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    choice: Kind | None = None


def configuration_in(folder: Path) -> Configuration | None:
    """The configuration that lies in a folder, if there is one.

    Raises:
        FileError, FormatError: it cannot be read.
    """
    files = sorted(path for path in folder.glob("*.xml") if not is_left_out(path.name) and top_tag(path) == TOP)
    if not files:
        return None
    top = read_xml(files[0], "a labeling configuration", most=MAX_BYTES)
    shapes = tuple(dict.fromkeys(one.get("value", "") for one in top.iter("Label")))
    controls = list(top.iter("Choices"))
    choices = tuple(dict.fromkeys(one.get("value", "") for control in controls for one in control.iter("Choice")))
    choice: Kind | None = None
    if controls:
        single = len(controls) == 1 and controls[0].get("choice", "single").startswith("single")
        choice = "label" if single else "labels"
    return Configuration(shapes, choices, choice)
