import io
import os

import numpy as np
import pytest

from convolens.errors import FileError, FormatError
from convolens.media.audio import write_audio
from convolens.media.images import write_image
from convolens.media.kernels import read_kernel


def test_text_arrays_pictures_and_sounds_are_kernels(tmp_path):
    (tmp_path / "a.txt").write_text("1, 2 3 # first\n\n4 5 6\n")
    np.testing.assert_array_equal(read_kernel(tmp_path / "a.txt"), [[1, 2, 3], [4, 5, 6]])
    np.save(tmp_path / "a.npy", np.arange(4, dtype=np.int8)[None])
    np.testing.assert_array_equal(read_kernel(tmp_path / "a.npy"), [0, 1, 2, 3])
    write_image(tmp_path / "a.png", np.full((2, 3, 3), 51, np.uint8))
    np.testing.assert_allclose(read_kernel(tmp_path / "a.png"), np.full((2, 3), 0.2))
    write_audio(tmp_path / "a.wav", np.full((5, 2), 0.25), 8000)
    np.testing.assert_allclose(read_kernel(tmp_path / "a.wav"), np.full(5, 0.25))


def npy(header):
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, header)
    return data.getvalue() + bytes(80)


BAD = {
    "lie.npy": (
        npy({"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}),
        "need the 8796093022208 bytes of numbers that its header claims, got 80",
    ),
    "object.npy": (npy({"descr": "|O", "fortran_order": False, "shape": (2,)}), "need an array saved by numpy.save"),
    "text.npy": (npy({"descr": "<U2", "fortran_order": False, "shape": (2,)}), "need one or two axes of real numbers"),
    "cube.npy": (npy({"descr": "<f8", "fortran_order": False, "shape": (2, 2, 2)}), "need one or two axes"),
    "none.npy": (npy({"descr": "<f8", "fortran_order": False, "shape": (0,)}), "need one or two axes of real numbers"),
    "short.npy": (b"\x93NUMPY", "need an array saved by numpy.save"),
    "letter.npy": (b"Dear kernel", "need an array saved by numpy.save"),
    "many.npz": (b"PK", "need one array, got an archive of several; save that array with numpy.save"),
    "nan.txt": (b"1 nan", "need finite weights, got NaN or infinity"),
    "inf.csv": (b"1,inf", "need finite weights, got NaN or infinity"),
    "empty.txt": (b"# nothing\n", "need one or two axes of real numbers"),
    "ragged.txt": (b"1 2\n3\n", "need rows of numbers, equally long"),
    "words.txt": (b"one two", "need rows of numbers, equally long"),
    "bytes.txt": (b"\xff\xfe\x00", "need rows of numbers, equally long"),
    "empty.png": (b"", "need a picture, got 0 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_weights_is_refused(tmp_path, name):
    data, message = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=f"{name}: {message}"):
        read_kernel(tmp_path / name)


def test_a_missing_file_and_a_silent_one_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"gone\.txt: need a kernel, found nothing there"):
        read_kernel(tmp_path / "gone.txt")
    write_audio(tmp_path / "none.wav", np.zeros((0, 2)), 8000)
    with pytest.raises(FormatError, match=r"none\.wav: need one or two axes of real numbers"):
        read_kernel(tmp_path / "none.wav")


def test_a_text_too_long_to_be_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("convolens.media.kernels._MAX_TEXT_BYTES", 10)
    (tmp_path / "long.txt").write_text("1 " * 6)
    with pytest.raises(FormatError, match=r"long\.txt: need at most 10 bytes of text, got 12; save it as \.npy"):
        read_kernel(tmp_path / "long.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
def test_pipes_and_devices_are_refused_before_they_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    for name in ("pipe.npy", "zero.txt"):
        with pytest.raises(FormatError, match=rf"{name}: need a kernel, got a device or a pipe"):
            read_kernel(tmp_path / name)


HEADERS = {
    "deep": b"(" * 3000,
    "unfinished": b"{'descr': '<f4', 'shape': (",
    "no shape": b"{'descr': '<f4', 'fortran_order': False}",
    "a huge shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,)}" % 10**30,
    "a shape of text": b"{'descr': '<f4', 'fortran_order': False, 'shape': ('a',)}",
    "a negative shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -3)}",
    "a zero byte": b"{'descr': '<f4\0', 'fortran_order': False, 'shape': (1,)}",
    "no dtype": b"{'descr': [[]], 'fortran_order': False, 'shape': (1,)}",
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_of_any_other_form_is_one_sentence(case, tmp_path):
    header = HEADERS[case]
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80))
    with pytest.raises(FormatError, match=r"a\.npy: need (an array saved by numpy\.save|the 40{30} bytes)"):
        read_kernel(tmp_path / "a.npy")
