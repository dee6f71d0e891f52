"""Many pictures in one file: tar shards in WebDataset's layout, and Parquet tables."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pyarrow
import pyarrow.parquet

from convolens.data.reading import read_with_faults
from convolens.errors import FileError
from convolens.media.found_pictures import find_pictures
from convolens.sources import Stored
from convolens.sources.stored import Unreadable
from tests.fuzz.annotations import read as read_examples
from tests.fuzz.containers import Chunk, change_chunks
from tests.fuzz.form import Command, Format
from tests.fuzz.mutators import changed, damaged
from tests.fuzz.networks import TRAIN, network
from tests.fuzz.pictures import jpeg_seeds, png_seeds

BLOCK = 512
# Of a member's header: where a field begins, and how long it is.
FIELDS = ((0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
SIZE, CHECKSUM = slice(124, 136), slice(148, 156)
NAMES = (b"../a.png", b"/etc/a.png", b"a/../../b.png", b"0.png", b"\xff.png", b"", b"a" * 100, b"a\x1b[2Jb.png", b"a/")


def tar(members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A shard of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@cache
def tar_seeds() -> list[bytes]:
    """Classes by each kind of file beside a picture, and by folders; of each version of the format; long names."""
    pictures = [png_seeds()[0], jpeg_seeds()[0]]
    said = (("cls", b"cat\n"), ("json", b'{"id": 1, "label": "dog"}'), ("txt", b"cat"))
    beside = [one for at, (end, text) in enumerate(said)
              for one in ((f"{at}.png", pictures[0]), (f"{at}.{end}", text))]  # fmt: skip
    folders = [("cat/a.png", pictures[0]), ("dog/b.jpg", pictures[1]), (f"dog/{'é' * 90}/c.png", pictures[0])]
    return [tar(beside), tar(folders), tar(folders, tarfile.GNU_FORMAT), tar(beside, tarfile.USTAR_FORMAT)]


def split_tar(data: bytes) -> tuple[bytes, list[Chunk]]:
    """A header as the name and what follows of a member; behind them all the end."""
    at, chunks = 0, []
    while at + BLOCK <= len(data) and data[at]:
        size = int(data[at + 124 : at + 135] or b"0", 8)
        chunks.append(Chunk(data[at : at + BLOCK], data[at + BLOCK : at + BLOCK + size]))
        at += BLOCK + -(-size // BLOCK) * BLOCK
    return b"", [*chunks, Chunk(b"", data[at:])]


def join_tar(head: bytes, chunks: list[Chunk]) -> bytes:
    """With sizes, where one is a lie or the content's changed, checksums, and content in whole blocks."""
    out = [head]
    for one in chunks:
        if len(one.name) == BLOCK:
            header = bytearray(one.name)
            stated = _number(header[SIZE])
            if one.size is not None or (stated is not None and one.claimed(33) != stated):
                header[SIZE] = b"%011o\0" % one.claimed(33)
            if one.right:
                header[CHECKSUM] = b" " * 8
                header[CHECKSUM] = b"%06o\0 " % sum(header)
            out += [bytes(header), one.data, bytes(-len(one.data) % BLOCK)]
        else:
            out.append(one.data)
    return b"".join(out)


def _number(field: bytes) -> int | None:
    """An octal number; None where it is another, as a fuzzer's."""
    try:
        return int(bytes(field).strip(b" \0") or b"0", 8)
    except ValueError:
        return None


def change_tar(data: bytes, luck: Random) -> bytes:
    """One field of a header, with a checksum that fits; or one member."""
    if luck.random() < 0.5:
        return change_chunks(split_tar, join_tar)(data, luck)
    head, chunks = split_tar(data)
    for _ in range(luck.choice((1, 1, 2))):
        at = luck.randrange(len(chunks) - 1)
        chunks[at] = replace(chunks[at], name=_change_field(chunks[at].name, luck))
    return join_tar(head, chunks)


def _change_field(header: bytes, luck: Random) -> bytes:
    begin, size = luck.choice(FIELDS)
    if begin == 156:
        value = luck.choice((*b"01234567gxLKSVDN\0", luck.randrange(256))).to_bytes()
    elif begin in (0, 157, 345):
        value = luck.choice(NAMES)
    elif luck.random() < 0.5:
        value = luck.choice((b"7" * 12, b"-1", b"\x80" + bytes(10) + b"\1", b"\xff" * 12, b"", b" 12", b"0x1"))
    else:
        value = damaged(header[begin : begin + size], luck)
    return header[:begin] + value[:size].ljust(size, b"\0") + header[begin + size :]


@cache
def table_columns() -> list[tuple[dict[str, list[object]], object]]:
    """Columns, and what is written beside them, of each layout that is read."""
    pictures: list[object] = [png_seeds()[0], jpeg_seeds()[0], None, png_seeds()[1]]
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    nested: list[object] = [{"bytes": one, "path": f"{at}.png"} for at, one in enumerate(pictures)]
    return [
        ({"image": pictures, "label": ["cat", "dog", "cat", "dog"], "file_name": ["a", "b/c.png", None, "../d"]}, None),
        ({"image": nested, "label": [0, 1, 1, 0]}, names),
        ({"path": ["a.png", "b.png"], "layer1.0": [[0.5, 1.0], [2.0, 3.0]]}, None),  # what `features` writes
    ]


def table(columns: dict[str, list[object]], beside: object, rows: int = 2, packing: str = "snappy") -> bytes:
    """A Parquet file."""
    stream = io.BytesIO()
    made = pyarrow.table(columns)
    if beside is not None:
        made = made.replace_schema_metadata({"huggingface": json.dumps(beside)})
    pyarrow.parquet.write_table(made, stream, row_group_size=rows, compression=packing)
    return stream.getvalue()


@cache
def table_seeds() -> list[bytes]:
    """Of each layout, packed and not."""
    found = [table(*one) for one in table_columns()]
    return [*found, table(*table_columns()[0], packing="none"), table(*table_columns()[1], rows=9, packing="zstd")]


def change_table_file(data: bytes, luck: Random) -> bytes:
    """Its bytes, more often those of the description at its end; or cells and what stands beside the columns."""
    way = luck.random()
    if way < 0.3:
        return damaged(data, luck)
    if way < 0.7:
        size = int.from_bytes(data[-8:-4], "little")
        end = damaged(data[-8 - size : -8], luck)
        return data[: -8 - size] + end + len(end).to_bytes(4, "little") + data[-4:]
    columns, beside = luck.choice(table_columns())
    for _ in range(20):  # until there is one whose cells are of one type
        odd = {name: changed(cells, luck) if luck.random() < 0.5 else cells for name, cells in columns.items()}
        try:
            return table(odd, changed(beside, luck) if luck.random() < 0.5 else beside)
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError, UnicodeError):
            continue
    return data


def read(path: Path) -> None:
    """The pictures in it, as `predict` and as `train` find them: each has a name of its own, and as many bytes as said.

    One that is cut short is told to be.
    """
    found = list(find_pictures([path]))
    sound = [one for one in found if isinstance(one, Stored) and not isinstance(one, Unreadable)]
    names = [one.where for one in sound]
    assert len(set(names)) == len(names), names
    assert not any(".." in name.split("/") for name in names), names
    for one in sound:
        data = one.read()
        assert one.size in (None, len(data)), (one, len(data))
    if _is_cut(path.read_bytes(), tar_seeds()):
        assert len(sound) < len(found), "a shard cut short without a word"
        assert read_with_faults(path).faults
    for example in read_examples(path).examples:
        assert isinstance(example.path, Stored), example
        with suppress(FileError):  # an empty cell, of which training says so then
            assert isinstance(example.path.read(), bytes)  # of an empty cell none, which decoding will say


def _is_cut(data: bytes, seeds: list[bytes]) -> bool:
    return any(one.startswith(data) and len(data) < len(one.rstrip(b"\0")) for one in seeds)


def stage(folder: Path) -> None:
    """A model to predict with."""
    network().save(folder / "whole.safetensors")


def _with(command: Callable[[Path, Path, Path], list[object]]) -> Command:
    return lambda path, out: command(path, out, path.parent / "whole.safetensors")  # type: ignore[return-value]


COMMANDS = (
    _with(lambda path, out, model: ["predict", model, path, "--out", out, "--device", "cpu"]),
    _with(lambda path, out, model: ["features", model, path, "--out", out / "a.parquet", "--device", "cpu"]),
    _with(lambda path, out, model: ["features", model, path, "--out", out / "a.npz", "--device", "cpu"]),
    _with(lambda path, out, model: ["blur", path, out, "--sigma", 2, "--shard", "1/2"]),
    _with(lambda path, out, model: ["doctor", path, "--table", out / "a.csv"]),
    _with(lambda path, out, model: ["evaluate", model, path, "--device", "cpu"]),
    _with(lambda path, out, model: ["convert", path, out / "new", "--to", "folders"]),
    _with(lambda path, out, model: ["train", "classify", path, "--out", out / "run", *TRAIN]),
)


FORMATS = {
    "tar shard": Format("case.tar", tar_seeds, change_tar, read, stage, commands=COMMANDS),
    "parquet": Format("case.parquet", table_seeds, change_table_file, read, stage, commands=COMMANDS),
}
