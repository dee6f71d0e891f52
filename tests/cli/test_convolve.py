import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.media.audio import read_audio, write_audio
from convolens.media.images import read_image, write_image


@pytest.fixture
def photo(tmp_path):
    write_image(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    return tmp_path / "photo.png"


def run(*words):
    return cli.run(["convolve", *map(str, words)])


def test_a_picture_by_a_text_file_keeps_its_size_and_rounds_and_clips(photo, tmp_path):
    (tmp_path / "sharpen.txt").write_text("# sharper\n0, -1, 0\n-1, 5, -1\n0, -1, 0\n")
    assert run(photo, tmp_path / "sharpen.txt", tmp_path / "out.png", "--boundary", "symmetric") == 0
    pixels = read_image(photo)
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    exact = cl.convolve(pixels, kernel, "same", axes=(0, 1), boundary="symmetric")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), exact.clip(0, 255))


def test_a_sound_by_a_sound_has_the_tail_in_full_mode(tmp_path):
    rng = np.random.default_rng(1)
    write_audio(tmp_path / "voice.wav", rng.uniform(-0.1, 0.1, (900, 2)), 8000, subtype="FLOAT")
    write_audio(tmp_path / "hall.wav", rng.uniform(-0.1, 0.1, 70), 8000, subtype="FLOAT")
    assert run(tmp_path / "voice.wav", tmp_path / "hall.wav", tmp_path / "out.wav", "--mode", "full") == 0
    voice, hall = read_audio(tmp_path / "voice.wav")[0], read_audio(tmp_path / "hall.wav")[0]
    result, rate = read_audio(tmp_path / "out.wav")
    assert (result.shape, rate) == ((969, 2), 8000)
    np.testing.assert_allclose(result[:, 1], np.convolve(voice[:, 1], hall), atol=1e-6)


def test_explain_prints_the_table_and_a_saved_array_is_a_kernel(photo, tmp_path, capsys):
    np.save(tmp_path / "mean.npy", np.ones((3, 3)))
    assert run(photo, tmp_path / "mean.npy", tmp_path / "out.png", "--normalize", "--explain") == 0
    assert "predicted ms" in capsys.readouterr().out
    inner = read_image(tmp_path / "out.png")[5, 5].astype(int)
    np.testing.assert_allclose(inner, read_image(photo)[4:7, 4:7].mean(axis=(0, 1)), atol=0.5 + 1e-4)


def test_a_picture_is_a_kernel_of_gray_levels(photo, tmp_path):
    write_image(tmp_path / "dot.png", np.array([[0, 0, 0], [0, 255, 0], [0, 0, 0]], np.uint8))
    assert run(photo, tmp_path / "dot.png", tmp_path / "out.png") == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), read_image(photo))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2\n3\n", "kernel.txt: need rows of numbers, equally long"),
        ("one two\n", "kernel.txt: need rows of numbers, equally long"),
        ("", "kernel.txt: need one or two axes of real numbers"),
        ("1 -1\n", "kernel: need weights that do not sum to 0"),
    ],
)
def test_a_bad_kernel_is_one_sentence(photo, tmp_path, capsys, content, message):
    (tmp_path / "kernel.txt").write_text(content)
    assert run(photo, tmp_path / "kernel.txt", tmp_path / "out.png", "--normalize") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_another_librarys_boundary_is_refused(photo, tmp_path, capsys):
    (tmp_path / "kernel.txt").write_text("1\n")
    assert run(photo, tmp_path / "kernel.txt", tmp_path / "out.png", "--boundary", "mirror") == 2
    assert "'mirror' is 'reflect' in numpy's words" in capsys.readouterr().err


def test_a_kernel_may_be_named_and_negative_results_shown(photo, tmp_path):
    assert run(photo, "sobel-x", tmp_path / "out.png", "--boundary", "symmetric", "--offset", "0.5") == 0
    slope = cl.convolve(read_image(photo), cl.kernel("sobel-x"), "same", axes=(0, 1), boundary="symmetric")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), np.rint(slope + 127.5).clip(0, 255))
    assert run(photo, "gaussian:1.5", tmp_path / "soft.png", "--boundary", "symmetric") == 0
    difference = read_image(tmp_path / "soft.png").astype(int) - cl.blur(read_image(photo), 1.5)
    assert np.abs(difference).max() <= 1


def test_a_name_that_is_none_is_refused_with_all_that_are(photo, tmp_path, capsys):
    assert run(photo, "blurry", tmp_path / "out.png") == 2
    assert "kernel: need one of sobel-x, sobel-y" in capsys.readouterr().err
    assert run(photo, "gone.txt", tmp_path / "out.png") == 2
    assert "gone.txt: need a kernel, found nothing there" in capsys.readouterr().err
    assert run(photo, "box:3", tmp_path / "out.png", "--offset", "nan") == 2
    assert "--offset: need a finite fraction of white, got nan" in capsys.readouterr().err
