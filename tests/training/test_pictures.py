import numpy as np
import pytest

from convolens.data import read_data
from convolens.media.images import write_image
from convolens.training import pictures as training_pictures
from convolens.training.pictures import PictureCache, Pictures


class Whole:
    """Whole pictures, as they are."""

    least_side, collate = 8, None

    def view(self, example, loaded, generator):
        return {"picture": loaded.pixels}


@pytest.fixture
def four(tmp_path):
    """Four pictures of 8 × 6 pixels, 144 bytes each when decoded."""
    for number in range(4):
        (tmp_path / f"kind{number % 2}").mkdir(exist_ok=True)
        write_image(tmp_path / f"kind{number % 2}" / f"{number}.png", np.full((6, 8, 3), number, np.uint8))
    return read_data(tmp_path)


def readings(data, monkeypatch):
    """How often each file is decoded when all pictures are asked for three times, and what was read."""
    counts, load = dict.fromkeys(range(4), 0), training_pictures.load_small

    def counting(example, at_least):
        counts[int(example.path.stem)] += 1
        return load(example, at_least)

    monkeypatch.setattr(training_pictures, "load_small", counting)
    pictures = Pictures(data, Whole(), PictureCache())
    for _ in range(3):
        for number, example in enumerate(data.examples):
            assert (pictures.sample(number, None)["picture"] == int(example.path.stem)).all()
    return sorted(counts.values())


def test_small_pictures_are_decoded_once(four, monkeypatch):
    assert readings(four, monkeypatch) == [1, 1, 1, 1]


def test_pictures_beyond_what_memory_may_hold_are_decoded_each_time(four, monkeypatch):
    monkeypatch.setattr(training_pictures, "CACHE_BYTES", 2 * 144)
    assert readings(four, monkeypatch) == [1, 1, 3, 3]


def test_several_sets_share_the_memory_for_pictures(four, monkeypatch):
    monkeypatch.setattr(training_pictures, "CACHE_BYTES", 5 * 144)
    cache, views = PictureCache(), Whole()
    for half in (four.examples[:2], four.examples[2:], four.examples):
        pictures = Pictures(four.having(half), views, cache)
        assert all(pictures.sample(number, None) for number in range(len(half)))
    assert cache._room == 144  # four are held, though the last set has the others' pictures again
