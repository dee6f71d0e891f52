"""Which column of a table holds what: known by its name, as programs and competitions call it, or by what is in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convolens.data.csv_file import Lines
from convolens.data.dataset import Kind
from convolens.data.files import listed
from convolens.errors import DataError
from convolens.media.picture_files import is_picture

PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_name",
    "image_filename", "image_file", "image_id", "imageid", "img", "img_name", "img_path", "picture", "id", "name",
)  # fmt: skip
LABELS = (
    "label", "class", "category", "target", "class_name", "classname", "label_name", "labelname", "category_name",
    "name", "class_id", "classid", "category_id",
)  # fmt: skip
SEVERAL = ("labels", "classes", "categories", "tags")
SPLIT_COLUMNS = ("split", "part", "subset", "set")
CORNERS = (
    ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"), ("roi.x1", "roi.y1", "roi.x2", "roi.y2"),
)  # fmt: skip
SIZES = (
    ("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
)  # fmt: skip
IN_ONE = ("bbox", "box", "bounding_box")  # "[x, y, width, height]" in one cell
PICTURE_SIZES = (("width", "height"), ("image_width", "image_height"))
WORDS = ("text", "caption", "description", "prompt", "title", "url")  # of a picture, and no class
MARKS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
SIGNS = {"-1": False, "1": True}


@dataclass(frozen=True)
class Columns:
    """Which column holds what; what is not there is empty."""

    path: str
    label: str = ""
    several: str = ""
    split: str = ""
    box: tuple[str, ...] = ()  # four, or one with all four numbers
    box_has_size: bool = False
    size: tuple[str, ...] = ()  # of the picture
    marks: tuple[str, ...] = ()  # a column for each class

    @property
    def kind(self) -> Kind:
        """What such rows say of a picture."""
        return "boxes" if self.box else "labels" if self.several or self.marks else "label"


def with_head(lines: Lines) -> tuple[list[str], Lines]:
    """The head, and the lines below it. Two tables are known without: `path,label` and `path,x1,y1,x2,y2,label`."""
    first = lines[0][1]
    if is_picture(first[0]):
        if len(first) == 2:
            return ["path", "label"], lines
        if len(first) == 6 and all(re.fullmatch(r"[\d.]*", cell) for cell in first[1:5]):
            return ["path", "x1", "y1", "x2", "y2", "label"], lines
    return first, lines[1:]


def columns_of(head: Sequence[str], lines: Lines) -> Columns:
    """Which columns of a head are meant, judged by the lines where its names do not say.

    Raises:
        DataError: there is none for paths, or none for labels or boxes.
    """
    plain = {re.sub(r"[\s-]+", "_", name.lower()): name for name in reversed(head)}
    path = _first(PATHS, plain)
    label = _first(LABELS, {key: name for key, name in plain.items() if name != path})
    several, split = _first(SEVERAL, plain), _first(SPLIT_COLUMNS, plain)
    box, has_size = _box_columns(plain)
    others = [name for name in head if name not in (path, split)]
    if not label and not several and not box and len(others) == 1 and others[0].lower() not in WORDS:
        label = others[0]
    marks = () if label or several or box else _marks(head, others, lines)
    if not path or not (label or several or marks or box):
        raise DataError(f"need columns path and label (and x1, y1, x2, y2 for boxes), got {listed(list(head))}")
    size = next((pair for pair in PICTURE_SIZES if all(one in plain and plain[one] not in box for one in pair)), ())
    return Columns(path, label, several, split, box, has_size, tuple(plain[one] for one in size), marks)


def marked(cell: str) -> bool:
    """Whether a cell of a class's column says that the class is shown."""
    return MARKS.get(cell.lower(), False)


def _first(names: Sequence[str], plain: dict[str, str]) -> str:
    return next((plain[name] for name in names if name in plain), "")


def _box_columns(plain: dict[str, str]) -> tuple[tuple[str, ...], bool]:
    for has_size, choices in ((False, CORNERS), (True, SIZES), (True, tuple((name,) for name in IN_ONE))):
        for names in choices:
            if all(name in plain for name in names):
                return tuple(plain[name] for name in names), has_size
    return (), False


def _marks(head: Sequence[str], others: Sequence[str], lines: Lines) -> tuple[str, ...]:
    """The other columns, if nothing but 0 and 1, or -1 and 1, or true and false is in them."""
    places = [head.index(name) for name in others]
    found = {line[at].lower() for _, line in lines if len(line) == len(head) for at in places}
    even = all(len(line) == len(head) for _, line in lines)
    return tuple(others) if even and found and (found <= MARKS.keys() or found <= SIGNS.keys()) else ()
