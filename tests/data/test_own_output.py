"""What the writers of annotation programs' formats write is recognised as theirs, and read as it was."""

from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convolens.data.dataset import Box, DataSet, Example
from convolens.data.format import Format, Placed
from convolens.data.formats import FORMATS
from convolens.data.reading import read_with_faults
from convolens.media.images import write_image

SIZE = (40, 30)
WRITTEN = [one for one in FORMATS if one.name in ("label-studio", "cvat", "labelme")]
# Such as could be confused with the keys of another format, or with its marks.
NAMES = st.lists(
    st.sampled_from(
        ["cat", "dog", '"images":', "annotations", "shapes", "a;b|c", "<View>", "&amp;", "été", "hot dog", "0", "data",
         "__none", "'", "annotation_id", "categories", "路", "x,y"]
    ),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip
SPLITS = st.sampled_from([("",), ("train",), ("train", "validation"), ("validation", "test"), ("train", "")])


def corners(draw: Callable) -> tuple[float, float, float, float]:
    numbers = st.integers(0, 59) | st.floats(0, 59, allow_nan=False).map(lambda value: round(value, 3))
    x1, y1 = draw(numbers) / 2, draw(numbers) / 4
    return x1, y1, x1 + draw(st.integers(1, 20)) / 2, y1 + draw(st.integers(1, 30)) / 2


def drawn_box(draw: Callable, classes: int, form: Format) -> Box:
    def mark(name: str) -> bool:
        return name in form.carries and draw(st.booleans())

    box, outlines = corners(draw), ()
    if draw(st.booleans()):
        parts = [corners(draw) for _ in range(draw(st.integers(1, 3)) if "parts" in form.carries else 1)]
        outlines = tuple(array("d", [x1, y1, x2, y1, x2, y2, x1, y2]) for x1, y1, x2, y2 in parts)
        low, high = np.array(parts)[:, :2].min(axis=0), np.array(parts)[:, 2:].max(axis=0)
        box = (*map(float, low), *map(float, high))
    return Box(
        draw(st.integers(0, classes - 1)), box, crowd=mark("crowds"), difficult=mark("difficult"),
        truncated=mark("truncated"), score=draw(st.integers(0, 8)) / 8 if mark("scores") else None, outlines=outlines,
    )  # fmt: skip


def drawn_example(draw: Callable, at: int, kind: str, classes: int, splits: tuple[str, ...], form: Format) -> Example:
    split = draw(st.sampled_from(splits))
    if kind == "boxes":
        boxes = tuple(drawn_box(draw, classes, form) for _ in range(draw(st.integers(0, 3))))
        labels = tuple(sorted({box.label for box in boxes if not box.crowd}))
        return Example(Path(f"{at}.png"), labels, boxes, split, SIZE)
    number = st.integers(0, classes - 1)
    labels = (draw(number),) if kind == "label" else tuple(sorted(draw(st.sets(number))))
    return Example(Path(f"{at}.png"), labels, (), split, SIZE)


@st.composite
def data_sets(draw: Callable, form: Format) -> DataSet:
    kind = draw(st.sampled_from(sorted(form.carries & {"boxes", "labels", "label"})))
    names, splits = tuple(draw(NAMES)), draw(SPLITS)
    examples = [drawn_example(draw, at, kind, len(names), splits, form) for at in range(draw(st.integers(1, 4)))]
    if kind == "labels" and all(len(one.labels) == 1 for one in examples):
        examples.append(Example(Path("none.png"), (), (), splits[0], SIZE))
    return DataSet(Path("data"), names, tuple(examples), kind)


def written(folder: Path, data: DataSet, form: Format) -> dict[str, Example]:
    placed = {form.place(one, one.path.name, data.class_names): one for one in data.examples}
    for name in placed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, np.zeros((SIZE[1], SIZE[0]), np.uint8))
    form.write(folder, data, [Placed(one, name, SIZE) for name, one in placed.items()])
    return placed


def near(values) -> object:
    return pytest.approx(tuple(map(float, values)), abs=1e-6)


@pytest.mark.parametrize("form", WRITTEN, ids=[one.name for one in WRITTEN])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_written_is_recognised_and_read_as_it_was(tmp_path_factory, form, data):
    wanted = data.draw(data_sets(form))
    folder = tmp_path_factory.mktemp("own")
    placed = written(folder, wanted, form)
    reading = read_with_faults(folder, outlines=True)
    assert (reading.format, reading.faults) == (form.name, ())
    assert (reading.data.kind, reading.data.class_names) == (wanted.kind, wanted.class_names)
    got = {one.path.relative_to(folder).as_posix(): one for one in reading.data.examples}
    assert got.keys() == placed.keys()
    if "order" in form.carries:
        assert list(got) == list(placed)
    for name, example in placed.items():
        assert (got[name].split, got[name].labels) == (example.split, example.labels)
        for a, b in zip(example.boxes, got[name].boxes, strict=True):
            assert (a.label, a.crowd, a.difficult, a.truncated, a.score) == (
                b.label, b.crowd, b.difficult, b.truncated, b.score
            )  # fmt: skip
            assert b.xyxy == near(a.xyxy)
            assert [tuple(part) for part in b.outlines] == [near(part) for part in a.outlines]
