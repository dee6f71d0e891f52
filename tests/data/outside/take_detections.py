"""supervision and FiftyOne take detections by the lines that docs/from-one-format-to-another.md gives: a check by hand.

Neither is needed by anything else here, so that no test can run it. In an environment that has one or both beside
convolens: `python -m tests.data.outside.take_detections`. It executes the page's own lines, and compares.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from convolens.results import Detections

PAGE = Path(__file__).parents[3] / "docs" / "from-one-format-to-another.md"
BOXES = np.array([[8, 16, 72, 48], [10, 20, 30, 40]], np.float32)
SIZE = {"width": 160, "height": 80}


def detections(count: int) -> Detections:
    """The first few of two objects."""
    labels, scores, classes = ("cat", "dog")[:count], np.float32([0.75, 0.5])[:count], np.int64([0, 3])[:count]
    return Detections(BOXES[:count], labels, scores, classes, np.zeros(count, np.int64))


def lines_for(package: str) -> str:
    """The page's lines that import a package."""
    blocks = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (one for one in blocks if f"import {package} " in one)
    return block


def taken(package: str, last: str, count: int) -> object:
    """What the last line of the page gives, which begins so."""
    lines = lines_for(package)
    assert lines.count(last) == 1, last
    space = {"found": detections(count), **SIZE}
    exec(lines.replace(last, f"taken = {last}"), space)
    return space["taken"]


def by_supervision() -> None:
    """Boxes, scores and classes as they are, none included."""
    for count in (0, 1, 2):
        found, wanted = taken("supervision", "sv.Detections(", count), detections(count)
        assert len(found) == count
        np.testing.assert_array_equal(found.xyxy, wanted.boxes_xyxy)
        np.testing.assert_array_equal(found.confidence, wanted.scores)
        np.testing.assert_array_equal(found.class_id, wanted.classes)
        assert len(found.with_nms(threshold=0.5)) == count  # it computes with them


def by_fiftyone() -> None:
    """Boxes as fractions `[x, y, width, height]`, with labels and scores; they go into a sample and its JSON."""
    fiftyone = import_module("fiftyone")
    for count in (0, 1, 2):
        found = taken("fiftyone", "fo.Detections(", count)
        assert [(one.label, one.confidence) for one in found.detections] == [("cat", 0.75), ("dog", 0.5)][:count]
        corners = [[x * 160, y * 80, (x + w) * 160, (y + h) * 80] for x, y, w, h in
                   (one.bounding_box for one in found.detections)]  # fmt: skip
        np.testing.assert_allclose(np.reshape(corners, (-1, 4)), BOXES[:count], rtol=1e-6)
        sample = fiftyone.Sample(filepath="a.jpg", predictions=found)
        assert len(sample.to_dict()["predictions"]["detections"]) == count
        sample.to_json()


if __name__ == "__main__":
    for package, check in (("supervision", by_supervision), ("fiftyone", by_fiftyone)):
        if find_spec(package) is None:
            print(f"{package}: not installed, not tried")
            continue
        check()
        print(f"{package} {import_module(package).__version__}: takes detections as the page says")
