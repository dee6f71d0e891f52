"""Any data set through any two formats that carry what it has: the same data, to the last digit.

What is compared is found by other means than the code's own comparison: pictures are known by their bytes, and boxes
are equal or not.
"""

import os
import string
import warnings
from array import array
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from convolens.data import Box, DataSet, Example, read_data
from convolens.data.conversion.converting import convert, write_data
from convolens.data.formats import FORMATS
from convolens.errors import FileNote

WRITERS = [form for form in FORMATS if form.write]
KINDS = {"label", "labels", "boxes"}
MARKS = {"crowds", "difficult", "truncated", "areas", "scores"}
OPTIONAL = {"splits", "ids", "classes", "parts", "own boxes", "outside", *MARKS}
LETTERS = string.ascii_letters + string.digits + " ,;'\"&<>#%=+()[]{}!@$^~`-_.äßñ漢字🐈é"
TURNED = (1, 3, 6, 8)  # EXIF's orientations that cameras write
ORIENTATION = 0x0112

words = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(lambda word: word and word[0] not in ".~")
plain_words = words.filter(lambda word: not set(word) & set(";|") and word.lower() not in ("val", "train", "test"))
decimals = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)


@dataclass(frozen=True)
class Random:
    """A data set, pictures by number in place of files, and what a format must carry to hold it."""

    data: DataSet
    turned: tuple[int, ...]
    needs: frozenset


def in_common():
    """What each two formats both carry, where that tells anything of a picture."""
    both = (first.carries & second.carries for first in WRITERS for second in WRITERS)
    return sorted({tuple(sorted(carried)) for carried in both if carried & KINDS and told(carried)})


def told(carried):
    return carried & {"label", "labels", "boxes alone"} or {"boxes", "outlines"} <= carried


@st.composite
def data_sets(draw):
    common = frozenset(draw(st.sampled_from(in_common())))
    kind = draw(st.sampled_from(sorted(common & KINDS)))
    needs = {kind} | (draw(st.sets(st.sampled_from(sorted(common & OPTIONAL)))) if common & OPTIONAL else set())
    if kind != "boxes":
        needs &= {kind, "ids", "splits", "classes"}
    elif "outlines" in common and ("boxes alone" not in common or draw(st.booleans())):
        needs = needs - {"outside"} | {"outlines"}
    else:
        needs = needs - {"parts", "own boxes"} | {"boxes alone"}
    names = tuple(draw(st.lists(plain_words, min_size=2, max_size=4, unique_by=str.casefold)))
    paths = draw(st.lists(st.tuples(st.lists(words, max_size=2), words), min_size=4, max_size=7))
    examples, turned = [], []
    for number, (folders, name) in enumerate(paths):
        size = (draw(st.integers(8, 64)), draw(st.integers(8, 64)))
        boxes = tuple(draw(st.lists(boxes_in(size, len(names), needs), max_size=4))) if kind == "boxes" else ()
        labels = {box.label for box in boxes if not box.crowd} or {number % len(names)}
        if kind == "labels":
            labels = draw(st.sets(st.integers(0, len(names) - 1)))
        split = ("train", "validation", "test")[number % 3] if "splits" in needs else ""
        path = Path(*folders, f"{name}{number}.{draw(st.sampled_from(['jpg', 'png']))}")
        own = draw(st.sampled_from([7 * number + 3, f"n{number}"])) if "ids" in needs else None
        told = () if kind == "boxes" and all(box.crowd for box in boxes) else tuple(sorted(labels))
        examples.append(Example(path, told, boxes, split, size, own))
        turned.append(draw(st.sampled_from(TURNED)))
    data = DataSet(Path(), names, tuple(examples), kind)
    return Random(data if "classes" in needs else only_used(data), tuple(turned), frozenset(needs))


def only_used(data):
    """The data without classes of which there is nothing."""
    used = sorted({n for e in data.examples for n in (*e.labels, *(box.label for box in e.boxes))})
    assume(used)
    new = {old: number for number, old in enumerate(used)}
    examples = (
        replace(
            example,
            labels=tuple(new[n] for n in example.labels),
            boxes=tuple(replace(box, label=new[box.label]) for box in example.boxes),
        )
        for example in data.examples
    )
    return replace(data, class_names=tuple(data.class_names[n] for n in used), examples=tuple(examples))


@st.composite
def boxes_in(draw, size, classes, needs):
    label = draw(st.integers(0, classes - 1))
    width, height = size
    far = 5 if "outside" in needs else 0
    x, y = draw(st.integers(-far, width - 2)), draw(st.integers(-far, height - 2))
    x1, y1 = round(x + draw(decimals), 6), round(y + draw(decimals), 6)
    x2, y2 = draw(st.integers(x + 2, width + far)), draw(st.integers(y + 2, height + far))
    outlines = ()
    if "outlines" in needs:
        parts = draw(st.integers(1, 2)) if "parts" in needs else 1
        outlines = tuple(array("d", [x1, y1, x2, y1, x2, y2 - k / 8, x1, y2]) for k in range(parts))
    inside = 1 if "own boxes" in needs and draw(st.booleans()) else 0
    return Box(
        label,
        (x1, y1, x2 - inside, y2),
        crowd="crowds" in needs and draw(st.booleans()),
        difficult="difficult" in needs and draw(st.booleans()),
        truncated="truncated" in needs and draw(st.booleans()),
        area=draw(st.integers(1, 99)) / 8 if "areas" in needs else None,
        score=draw(st.integers(0, 100)) / 100 if "scores" in needs else None,
        outlines=outlines,
    )


def carried(form, needs):
    """Whether a format holds all that is needed; classes are compared by name, their order is no matter."""
    return needs <= form.carries


def made(random, folder):
    """The same data with pictures that are files, each with other bytes."""
    examples = []
    for number, (example, turned) in enumerate(zip(random.data.examples, random.turned, strict=True)):
        path = folder / example.path
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = example.size if turned < 5 else example.size[::-1]
        exif = Image.Exif()
        exif[ORIENTATION] = turned
        Image.new("L", (width, height), number * 30).save(path, exif=exif)
        examples.append(Example(path, example.labels, example.boxes, example.split, None, example.id))
    data = random.data
    return DataSet(folder, data.class_names, tuple(examples), data.kind)


def facts(data):
    """All that is known of each picture, by its bytes; and the bytes' order in each split."""
    found, order = {}, defaultdict(list)
    for example in data.examples:
        content = example.path.read_bytes()
        labels = frozenset(data.class_names[label] for label in example.labels)
        boxes = [(data.class_names[box.label], *plain(box)) for box in example.boxes]
        found[content] = (example.split, example.id, labels, boxes)
        order[example.split].append(content)
    assert len(found) == len(data.examples)
    return found, order


def plain(box):
    corners, outlines = tuple(map(float, box.xyxy)), tuple(map(tuple, box.outlines))
    return corners, outlines, box.crowd, box.difficult, box.truncated, box.area, box.score


def without(found, *, ids, areas):
    return {
        content: (split, own if ids else None, labels, [(*box[:6], box[6] if areas else None, box[7]) for box in boxes])
        for content, (split, own, labels, boxes) in found.items()
    }


def same(before, after, random, *forms):
    """Checks that nothing is lost: what the data had no ids or areas for, a format may have made up."""
    (found, order), (again, order_again) = before, after
    kept = {"ids": "ids" in random.needs, "areas": "areas" in random.needs}
    assert without(found, **kept) == without(again, **kept)
    if all("order" in form.carries for form in forms):
        assert order == order_again


def through_all(random):
    """Writes the data in each format that carries it, and converts that into each other."""
    # Waiting for the disk would be for all other work's files too; notes, as of predictions, are no matter.
    with TemporaryDirectory() as folder, patch.object(os, "sync"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FileNote)
        _through_all(random, Path(folder))


def _through_all(random, here):
    source = made(random, here / "source")
    before = facts(source)
    for first in (form for form in WRITERS if carried(form, random.needs)):
        one = here / first.name
        write_data(source, one, first, link=True, progress=False)
        same(before, facts(read_data(one, format=first.name, outlines=True)), random, first)
        for second in (form for form in WRITERS if carried(form, random.needs)):
            other = here / f"{first.name}-{second.name}"
            found = convert(one, other, to=second.name, link=True, progress=False)
            assert not found.skipped
            same(before, facts(read_data(other, format=second.name, outlines=True)), random, first, second)


@settings(max_examples=6)
@given(data_sets())
def test_data_is_the_same_through_any_two_formats_that_carry_it(random):
    through_all(random)


@pytest.mark.slow
@settings(max_examples=500)
@given(data_sets())
def test_500_data_sets_are_the_same_through_any_two_formats_that_carry_them(random):
    through_all(random)
