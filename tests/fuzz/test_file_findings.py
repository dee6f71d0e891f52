"""What the campaign found in files of further formats, as small as it was made: refused in a sentence now, or right."""

import errno
import io
import logging
import os
import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

import convolens as cl
from convolens import cli
from convolens.data.conversion.converting import writable
from convolens.data.formats import supervisely
from convolens.data.formats.supervisely.reader import MOST_LOOKED_INTO
from convolens.errors import ArgumentError, DataError, FileError, FormatError, MemoryRefused, WeightsError
from convolens.exported.loading import load_exported
from convolens.labels import apply_changes
from convolens.media.files import writing_folder
from convolens.media.found_pictures import find_pictures
from convolens.media.images import read_pages, read_picture, read_rgb8, write_image
from convolens.settings import memory_limit
from tests.fuzz import networks, onnx_files, shards

pytestmark = pytest.mark.bad_input

WIDE = 65520  # a tile of which is 4 GiB, in a file of some hundred bytes


def tiff(pixels, **tags):
    """As Pillow writes it, with tags of our own."""
    stream, own = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    for number, (kind, value) in tags.values():
        own.tagtype[number] = kind
        own[number] = value
    Image.fromarray(pixels).save(stream, "TIFF", tiffinfo=own)
    return stream.getvalue()


@pytest.mark.parametrize("read", [read_picture, read_rgb8, read_pages])
@pytest.mark.parametrize("pixels", [np.zeros((9, 12), np.uint8), np.zeros((9, 12), np.uint16)], ids=["8 bits", "16"])
def test_a_tile_larger_than_memory_is_refused_however_small_the_picture(read, pixels):
    data = bytearray(imagecodecs.tiff_encode(np.tile(pixels, (4, 4))[:32, :32].copy(), tile=(16, 16)))
    for tag in (322, 323):  # TileWidth, TileLength
        at = data.index(struct.pack("<HHI", tag, 3, 1)) + 8
        data[at : at + 2] = struct.pack("<H", WIDE)
    data = bytes(data)
    memory_limit("1GB")
    try:
        with pytest.raises(MemoryRefused, match=r"tile of 65520 × 65520 pixels: need .* save it with smaller tiles"):
            read(data)
    finally:
        memory_limit(None)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits"])
def test_rows_without_strips_are_told_and_not_black(compression):
    stream = io.BytesIO()
    Image.fromarray(np.full((9, 12), 7, np.uint8)).save(stream, "TIFF", compression=compression)
    data = bytearray(stream.getvalue())
    at = max(data.find(struct.pack("<HHI", 257, kind, 1)) for kind in (3, 4)) + 8  # ImageLength
    assert read_picture(bytes(data)).pixels.shape == (9, 12)
    data[at] = 18
    with pytest.raises(FormatError):
        read_picture(bytes(data))


def test_a_number_in_the_place_of_a_profile_is_none():
    for pixels in (np.zeros((9, 12), np.uint8), np.zeros((9, 12), np.uint16)):
        assert read_picture(tiff(pixels, icc=(34675, (4, 7)))).icc is None


@pytest.mark.parametrize("part", ["fact", "input"])
def test_a_text_of_an_exported_model_that_is_not_utf_8_is_refused_when_it_is_opened(tmp_path, part):
    whole = onnx_files.seeds()[0]
    old = b"convolens.task" if part == "fact" else b"picture"
    assert old in whole
    (tmp_path / "a.onnx").write_bytes(whole.replace(old, b"\xde" + old[1:]))
    with pytest.raises(WeightsError, match=r"a\.onnx: need an ONNX model that ONNX Runtime can run"):
        load_exported(tmp_path / "a.onnx", device="cpu")


def test_a_decision_that_stands_there_twice_is_one(tmp_path):
    networks.stage_classes(tmp_path)
    line = "dog/1.png,dog,cat,0.6,set aside\n"
    (tmp_path / "changes.csv").write_text("path,label,suggested,probability,decision\n" + 2 * line)
    mended = apply_changes(tmp_path / "changes.csv", tmp_path / "data", to=tmp_path / "new", progress=False)
    assert (mended.set_aside, mended.written.pictures) == (1, {"": 7})


def test_why_pictures_failed_is_said_on_the_terminal(tmp_path, capsys):
    networks.network().save(tmp_path / "whole.safetensors")
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(b"none")
    write_image(tmp_path / "good.png", networks.PICTURE)
    pictures = [str(tmp_path / f"{number}.png") for number in range(7)]
    code = cli.run(["predict", str(tmp_path / "whole.safetensors"), *pictures, str(tmp_path / "good.png"),
                    "--out", str(tmp_path / "out"), "--device", "cpu"])  # fmt: skip
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert code == 2
    assert [pictures[at] in line for at, line in enumerate(errors[:5])] == [True] * 5
    assert len(errors) == 6
    assert errors[5].startswith("error: 7 pictures failed; why is in their lines of ")


def test_a_project_is_recognized_without_a_look_into_every_folder_of_a_disk(tmp_path, monkeypatch):
    for number in range(30):
        (tmp_path / f"{number}" / "a" / "b").mkdir(parents=True)
    looked = []
    real = supervisely.reader.folders_in
    monkeypatch.setattr(supervisely.reader, "folders_in", lambda folder: looked.append(folder) or real(folder))
    monkeypatch.setattr(supervisely.reader, "MOST_LOOKED_INTO", 10)
    assert not supervisely.recognize(tmp_path)
    assert len(looked) == 10 < MOST_LOOKED_INTO


@pytest.mark.parametrize("to", [one for one in writable() if one != "folders"])
@pytest.mark.parametrize("part", ["picture", "class"])
def test_a_name_that_is_not_utf_8_is_refused_by_formats_that_are_text(tmp_path, part, to):
    networks.stage_classes(tmp_path)
    old = tmp_path / "data" / ("cat/0.png" if part == "picture" else "cat")
    try:
        old.rename(os.fsdecode(bytes(old) + b"\x8e.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    if (to, part) == ("labelme", "picture"):  # whose JSON has escapes
        assert cl.convert(tmp_path / "data", tmp_path / "new", to=to, progress=False).pictures == {"": 8}
        return
    with pytest.raises(DataError, match=r"in UTF-8, without control characters|need boxes for"):
        cl.convert(tmp_path / "data", tmp_path / "new", to=to, progress=False)


def test_a_copy_that_finds_no_room_names_what_it_was_to_write(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a picture")

    def full(source, target):  # as `shutil.copyfile` says it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))

    with pytest.raises(FileError) as told, writing_folder(tmp_path / "whole") as draft:
        full(tmp_path / "a.png", draft / "pictures" / "a.png")
    assert str(told.value) == f"{tmp_path / 'whole/pictures/a.png'}: cannot be written: No space left on device"
    with pytest.raises(FileError) as told, writing_folder(tmp_path / "whole"):
        (tmp_path / "gone.png").read_bytes()
    assert str(told.value).startswith(f"{tmp_path / 'gone.png'}: ")


@pytest.mark.parametrize("size", [-512, -(1 << 80)])
def test_a_shard_whose_member_has_less_than_no_bytes_is_damaged_there(tmp_path, size):
    members = shards.split_tar(shards.tar_seeds()[0])[1]
    header = members[2].name
    odd = replace(members[2], name=header[:124] + size.to_bytes(12, "big", signed=True) + header[136:])
    (tmp_path / "a.tar").write_bytes(shards.join_tar(b"", [*members[:2], odd, *members[3:]]))
    first, last = find_pictures([tmp_path / "a.tar"])
    assert first.read() == members[0].data
    assert last.of_shard
    assert f"damaged shard: '1.png' has a size of {size:,}; make the shard anew" in last.why


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_maxima_of_no_channels_are_none(kind):
    y, argmax = cl.layers.max_pool2d(kind(np.zeros((2, 0, 6, 7), np.float32)), 2, return_argmax=True)
    assert y.shape == argmax.shape == (2, 0, 3, 3)
    x = torch.zeros(2, 0, 6, 7, requires_grad=True)
    cl.layers.max_pool2d(x, 2, dilation=3).sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: cl.train("classify", Path(__file__).parent, out=2 + 1j), "out: need a run folder, got complex"),
        (lambda: networks.network().save(2 + 1j), "path: need a model file to write, got complex"),
        (lambda: cl.wrap_module(networks.network(), [np.zeros(0)]), "taps: need names of submodules"),
    ],
)
def test_what_is_no_path_and_no_name_is_refused_by_name(call, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        call()


def test_nothing_but_the_sentence_is_said_of_a_picture_that_pillow_logs_about(tmp_path, capsys, monkeypatch):
    channels = TiffImagePlugin.SAMPLESPERPIXEL.to_bytes(2, "little") + b"\3\0\1\0\0\0"
    data = tiff(np.zeros((8, 8, 3), np.uint8))
    assert data.count(channels + b"\3") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(channels + b"\3", channels + b"\57"))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest, as which no program has any
    with pytest.raises(FormatError, match=r"a\.tif: a TIFF of a layout that is not read here"):
        read_picture(tmp_path / "a.tif")
    assert capsys.readouterr() == ("", "")
