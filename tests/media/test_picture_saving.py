"""A disk that is full at any byte of a picture is told, whatever the format; Pillow alone would not see it."""

import resource
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from convolens.errors import FileError
from convolens.media.annotate import write_jpeg
from convolens.media.images import Pages, Picture, write_image, write_pages
from convolens.media.picture_formats import WRITTEN

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")


@contextmanager
def room_for(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # Python ignores the signal of it
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def writers():
    for suffix in WRITTEN:
        yield suffix, lambda path: write_image(path, PIXELS)
    for suffix in (".gif", ".tif", ".webp", ".png"):
        yield suffix, lambda path: write_pages(path, Pages([Picture(PIXELS), Picture(PIXELS[::-1])]))
    yield ".jpg", lambda path: write_jpeg(path, PIXELS)


@pytest.mark.parametrize(("suffix", "write"), list(writers()))
def test_a_picture_for_which_there_is_no_room_is_told_and_nothing_of_it_stays(tmp_path, suffix, write):
    whole = tmp_path / f"whole{suffix}"
    write(whole)
    size = whole.stat().st_size
    for room in (0, 1, size // 3, size - 100, size - 1):
        with room_for(room), pytest.raises(FileError, match=rf"cut\{suffix}: cannot be written: File too large$"):
            write(tmp_path / f"cut{suffix}")
        assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    with room_for(size):
        write(tmp_path / f"cut{suffix}")
    assert (tmp_path / f"cut{suffix}").read_bytes() == whole.read_bytes()
