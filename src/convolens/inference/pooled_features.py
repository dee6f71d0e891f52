"""What taps give for many pictures, pooled to a number a feature, as a table for other people's tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from convolens.errors import ArgumentError, FormatError
from convolens.media.files import AnyPath, in_utf8, need_target, writing
from convolens.media.inputs import given
from convolens.media.picture_files import File, Outcome, attempt, count_pictures, decoded_ahead, find_pictures
from convolens.media.table_files import need_table
from convolens.models.inputs import batches, evaluating
from convolens.progress import track
from convolens.sources import Share
from convolens.trunks import Trunk

ROWS = 1024  # of a row group of Parquet, and what is held at a time but for `.npz`


class Features(NamedTuple):
    """The table, how many pictures are in it, and the sentences of those that are not."""

    table: Path
    done: int
    failed: list[str]


def features_of_files(
    model: Any, sources: Sequence[AnyPath], out: AnyPath, *, taps: Sequence[str] | None = None, batch: int = 16,
    shard: str | Share | None = None, progress: bool = True,
) -> Features:  # fmt: skip
    """Writes a row for each picture: `path`, and for each tap the mean of each of its features over the picture.

    Args:
        model: a classifier, localizer or detector, or a trunk.
        sources: as for `predict_files`.
        out: `.parquet` (a column of lists for each tap), or `.npz` (an array for each tap, and `path`), which is held
            in memory: 4 bytes a number.
        taps: of the trunk. None: the model's own, or a trunk's last.
        batch: pictures of one size that go through the network at once.
        shard: the pictures of one of several equal shares alone, such as `3/16`.
        progress: shows how many are done.

    Raises:
        FormatError: another suffix.
        ArgumentError: no such tap, or what has no taps.
        FileError: a source without pictures, or the table cannot be written.
    """
    trunk, share, table = _trunk_of(model), Share.of(shard), Path(out)
    chosen = trunk.chosen(taps if taps is not None or model is trunk else tuple(model.taps))
    if table.suffix.lower() not in (".parquet", ".npz"):
        raise FormatError(f"{table}: need a table's suffix, .parquet or .npz, got {table.suffix or 'none'}")
    (need_table if table.suffix.lower() == ".parquet" else need_target)(table)
    total, failed = count_pictures(sources, None, share), list[str]()
    files = track(find_pictures(sources, share=share), "pictures", total, show=progress)
    with given(*sources), evaluating(model):
        rows = _rows(model, trunk, chosen, files, batch, failed)
        done = (
            _write_arrays(table, rows, chosen) if table.suffix.lower() == ".npz" else _write_rows(table, rows, chosen)
        )
    return Features(table, done, failed)


def _trunk_of(model: Any) -> Trunk:
    found = model if isinstance(model, Trunk) else getattr(model, "trunk", None)
    if not isinstance(found, Trunk):
        raise ArgumentError(
            f"model: need a model in torch or a trunk, whose taps can be looked at, got {type(model).__name__}"
        )
    return found


Row = tuple[str, list[NDArray[np.float32]]]


def _rows(
    model: Any, trunk: Trunk, taps: Sequence[str], files: Iterable[File], batch: int, failed: list[str]
) -> Iterator[Row]:
    def ready() -> Iterator[tuple[torch.Tensor, str]]:
        for one in decoded_ahead(files):
            found: Outcome[Any] = one
            if one.result is not None:
                found = attempt(one.path, partial(_prepared, model, trunk, taps, one.result))
            if found.result is None:
                failed.append(found.error)
            else:
                yield found.result, str(one.path)

    for several, names in batches(ready(), batch):
        maps = trunk(several, taps=tuple(taps))
        pooled = [maps[tap].float().mean(dim=(2, 3)).cpu().numpy() for tap in taps]
        for at, name in enumerate(names):
            yield name, [values[at] for values in pooled]


def _prepared(model: Any, trunk: Trunk, taps: Sequence[str], pixels: NDArray[Any]) -> torch.Tensor:
    prepared: torch.Tensor = model.preprocess([pixels])
    trunk.need_size(taps, prepared.shape[2:], "picture")
    return prepared


def _write_arrays(table: Path, rows: Iterator[Row], taps: Sequence[str]) -> int:
    found = list(rows)
    arrays: dict[str, Any] = {
        tap: np.array([values[at] for _, values in found], np.float32) for at, tap in enumerate(taps)
    }
    with writing(table) as draft:
        np.savez(draft, path=np.array([name for name, _ in found], dtype=np.str_), **arrays)
    return len(found)


def _write_rows(table: Path, rows: Iterator[Row], taps: Sequence[str]) -> int:
    import pyarrow
    import pyarrow.parquet

    fields = [("path", pyarrow.string()), *((tap, pyarrow.list_(pyarrow.float32())) for tap in taps)]
    schema, done, waiting = pyarrow.schema(fields), 0, list[Row]()
    with ExitStack() as stack:
        draft = stack.enter_context(writing(table))
        writer = stack.enter_context(pyarrow.parquet.ParquetWriter(draft, schema))

        def flush() -> None:
            columns: dict[str, Any] = {"path": [in_utf8(name) for name, _ in waiting]}
            columns |= {tap: [values[at] for _, values in waiting] for at, tap in enumerate(taps)}
            writer.write_table(pyarrow.table(columns, schema=schema))
            waiting.clear()

        for row in rows:
            waiting.append(row)
            done += 1
            if len(waiting) == ROWS:
                flush()
        flush()
    return done
