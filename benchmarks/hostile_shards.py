"""Tar shards and Parquet tables of a few kilobytes that are endless in memory, for `benchmarks.hostile`.

    python -m benchmarks.hostile_shards FOLDER PLACE        hostile ones there, and here a whole picture and a model

A process of its own: what it takes to make them would else count as what their readers take, which begin as copies.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

SIDE = 13_000  # pixels of a bomb: 169 million
ROWS = 1000
LONG = 1 << 20  # letters of a name, bytes of a picture


def make_shards(folder: Path) -> None:
    """Writes them."""
    bomb, small = _png("L", SIDE), _png("RGB", 32)
    _tar(folder / "bomb.tar", [("cat/a.png", bomb, len(bomb)), ("dog/b.png", small, len(small))])
    _tar(folder / "claim.tar", [("cat/a.png", small, 1 << 40)])
    _tar(folder / "names.tar", [("cat/" + "n" * LONG + ".png", small, len(small))])
    _tables(folder, bomb, small)


def make_whole(folder: Path) -> None:
    """A picture and a model."""
    import convolens as cl

    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(folder / "whole.png")
    trunk = cl.trunk("resnet18", width=1 / 8, seed=0, device="cpu")
    cl.classifier(trunk, classes=("cat", "dog"), seed=0).save(folder / "whole.safetensors")


def _png(mode: str, side: int) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, "PNG")
    return stream.getvalue()


def _tar(path: Path, members: Iterable[tuple[str, bytes, int]]) -> None:
    """Of names, contents and the sizes that their headers claim."""
    with path.open("wb") as stream:
        for name, data, size in members:
            info = tarfile.TarInfo(name)
            info.size = size
            stream.write(info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE))
        stream.write(bytes(2 * tarfile.BLOCKSIZE))


def _tables(folder: Path, bomb: bytes, small: bytes) -> None:
    """What thousands of rows repeat, rows of nothing, a page of 400 MB."""
    import pyarrow
    from pyarrow.parquet import write_table

    def repeated(value: object, rows: int = ROWS) -> object:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), [value])

    numbered = [small + number.to_bytes(2) for number in range(ROWS)]
    classes = ["cat", "dog"] * (ROWS // 2)
    tables = {
        "bomb": {"image": [bomb, small], "label": ["cat", "dog"]},
        "picture": {"image": repeated(small + bytes(LONG)), "label": classes},
        "label": {"image": numbered, "label": repeated("n" * LONG)},
        "name": {"image": numbered, "label": classes, "file_name": repeated("n" * LONG)},
        "list": {"image": numbered, "label": [[0] * 1000] * ROWS},
        "nothing": {"image": pyarrow.nulls(50_000_000, pyarrow.binary()), "label": repeated("cat", 50_000_000)},
        "page": {"image": [small + bytes(400 * LONG)], "label": ["cat"]},
    }
    for name, columns in tables.items():
        write_table(
            pyarrow.table(columns), folder / f"{name}.parquet", compression="zstd", row_group_size=50_000_000,
            dictionary_pagesize_limit=1 << 30, store_schema=False,
        )  # fmt: skip


if __name__ == "__main__":
    make_shards(Path(sys.argv[1]))
    make_whole(Path(sys.argv[2]))
