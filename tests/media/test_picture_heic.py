"""HEIC, where its decoder is installed."""

import numpy as np
import pytest

from convolens.media.images import read_header, read_image, read_rgb8, write_image
from convolens.media.picture_files import find_pictures

pytest.importorskip("pi_heif")
pytest.importorskip("av")


def corner(height=64, width=96):
    pixels = np.full((height, width, 3), (40, 90, 200), np.uint8)
    pixels[:16, :32] = (250, 20, 5)
    return pixels


@pytest.mark.parametrize("turned", [0, 1, 2, 3])
def test_a_heic_is_read_as_displayed(tmp_path, turned):
    from tests.media.heic import heic

    (tmp_path / "IMG_1.HEIC").write_bytes(heic(corner(), turned))
    shown = np.rot90(corner(), turned)
    for found in (read_image(tmp_path / "IMG_1.HEIC"), read_rgb8(tmp_path / "IMG_1.HEIC")[0]):
        assert found.shape == shown.shape and np.abs(found.astype(int) - shown).mean() < 3
    assert read_header(tmp_path / "IMG_1.HEIC").size == (shown.shape[1], shown.shape[0])
    assert list(find_pictures([tmp_path])) == [tmp_path / "IMG_1.HEIC"]


def test_a_folder_with_a_heic_is_blurred_into_pngs(tmp_path):
    from convolens.cli import run
    from tests.media.heic import heic

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.heic").write_bytes(heic(corner()))
    write_image(tmp_path / "in" / "b.jpg", corner())
    assert run(["blur", str(tmp_path / "in"), str(tmp_path / "out"), "--sigma", "1"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg"]


@pytest.mark.parametrize("turned", [0, 1])
def test_a_heic_of_10_bits_comes_with_16(tmp_path, turned):
    from tests.media.heic import heic

    ramp = np.linspace(0, 65535, 96 * 64).reshape(64, 96).round()
    pixels = np.stack([ramp, ramp[:, ::-1], np.full_like(ramp, 30000)], axis=2).astype(np.uint16)
    (tmp_path / "a.heic").write_bytes(heic(pixels, turned))
    found, shown = read_image(tmp_path / "a.heic"), np.rot90(pixels, turned)
    assert found.dtype == np.uint16 and found.shape == shown.shape
    assert np.abs(found.astype(int) - shown).mean() < 200  # steps of 10 bits are 64, those of 8 are 257
    assert len(np.unique(found[..., 0])) > 600
