"""Tables of features, as `convolens features` writes them, read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError, need_package
from convolens.media.files import AnyPath, need_file

SUFFIXES = (".parquet", ".npz")


@dataclass(frozen=True)
class FeatureTable:
    """Features of pictures.

    Attributes:
        paths: of the pictures.
        taps: for each tap `(pictures, features)` float32.
    """

    paths: Sequence[str]
    taps: Mapping[str, NDArray[np.float32]]


def read_feature_table(path: AnyPath) -> FeatureTable:
    """Reads a `.parquet` or `.npz` of `convolens features`.

    Raises:
        FileError: nothing is there.
        FormatError: it is no such table.
        MissingExtraError: Parquet without pyarrow.
    """
    file = need_file(path, "a table of features")
    try:
        columns = _parquet(file) if file.suffix.lower() == ".parquet" else _arrays(file)
        paths = [str(one) for one in columns.pop("path")]
        taps = {tap: np.asarray(values, np.float32) for tap, values in columns.items()}
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise FormatError(f"{file}: need a table that convolens features wrote, got {error}") from error
    if not paths or not taps or any(one.ndim != 2 or len(one) != len(paths) for one in taps.values()):
        raise FormatError(f"{file}: need a path and lists of numbers, alike in length, for each picture, got others")
    if not all(np.isfinite(one).all() for one in taps.values()):
        raise FormatError(f"{file}: need finite features, got NaN or infinity; write the table again")
    return FeatureTable(paths, taps)


def _arrays(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _parquet(file: Path) -> dict[str, Any]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise need_package("pyarrow", "tables", "Parquet") from None
    table = pyarrow.parquet.read_table(file)
    found: dict[str, Any] = {"path": table["path"].to_pylist()}
    for name in table.column_names:
        if name != "path":
            numbers = table[name].combine_chunks()
            found[name] = np.asarray(numbers.flatten()).reshape(len(numbers), -1)
    return found
