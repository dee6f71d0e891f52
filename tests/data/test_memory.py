"""Annotations that need more than the budget of memory are refused before they are parsed."""

import json
import sys

import numpy as np
import pytest

import convolens as cl
from convolens.data.json_file import parsed_bytes, read_json
from convolens.data.loading import load, read_usable
from convolens.errors import MemoryRefused


@pytest.fixture(autouse=True)
def _default_budget_after():
    yield
    cl.memory_limit("auto")


def held(value):
    """Bytes of a value and of all in it, each once."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sys.getsizeof(value) + sum(map(held, inner))


@pytest.mark.parametrize(
    "value",
    [
        [{}] * 500,
        [{"a": 1}] * 500,
        [{"id": i, "image_id": i, "category_id": 3, "area": 1.5, "iscrowd": 0, "bbox": [1.5, 2.5, 3.25, 4.5]}
         for i in range(500)],
        [[0.5, 0.25]] * 500,
        [[]] * 500,
        list(range(1000)),
        [f"name {i}" for i in range(500)],
    ],
    ids=["empty dicts", "dicts of one", "annotations", "points", "empty lists", "numbers", "texts"],
)  # fmt: skip
def test_what_json_takes_is_known_before_it_is_parsed(value):
    text = json.dumps(value, separators=(",", ":"))
    taken = held(json.loads(text))
    assert 0.95 * taken <= parsed_bytes(text) <= 5 * taken


def test_json_over_the_budget_is_refused(tmp_path):
    (tmp_path / "many.json").write_text("[" + "{}," * 20_000 + "{}]")
    cl.memory_limit("1MB")
    with pytest.raises(MemoryRefused, match=r"many.json: need 5.\d+ MB of memory, got a budget of 1 MB; split it"):
        read_json(tmp_path / "many.json", "annotations")


def test_a_text_over_the_budget_is_refused_by_its_size(tmp_path):
    (tmp_path / "long.json").write_text(" " * 600_000 + "[]")
    cl.memory_limit("1MB")
    with pytest.raises(MemoryRefused, match=r"long.json: need 1.21 MB"):
        read_json(tmp_path / "long.json", "annotations")


def test_an_example_over_the_budget_is_skipped_with_the_figure_and_the_others_are_read(tmp_path):
    for name, side in (("a", 20), ("b", 900), ("c", 20)):
        (tmp_path / "cat").mkdir(exist_ok=True)
        cl.write_image(tmp_path / "cat" / f"{name}.png", np.zeros((side, side, 3), np.uint8))
    (tmp_path / "dog").mkdir()
    cl.write_image(tmp_path / "dog" / "d.png", np.zeros((20, 20, 3), np.uint8))
    from convolens.data import read_data

    examples, skipped = read_data(tmp_path).examples, []
    cl.memory_limit("2MB")
    names = [example.path.name for example, _ in read_usable(load, examples, skipped)]
    assert names == ["a.png", "c.png", "d.png"]
    assert [one.path.name for one in skipped] == ["b.png"]
    assert "b.png: picture of 900 × 900 pixels: need 5.67 MB of memory" in skipped[0].reason
