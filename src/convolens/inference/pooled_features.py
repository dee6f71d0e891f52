"""What taps give for many pictures, pooled to a number a feature, as a table for other people's tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convolens.arrays import as_flag, as_whole
from convolens.clusters.ray_workers import Cluster
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError, FormatError
from convolens.inference.feature_blocks import blocks_beside, rows_by_cluster
from convolens.inference.feature_rows import Row, files_for, rows_of, trunk_of
from convolens.media.files import AnyPath, as_path, in_utf8, need_name, need_target, writing
from convolens.media.found_pictures import as_sources
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer
from convolens.media.picture_files import Outcome, find_closed
from convolens.media.table_files import need_table
from convolens.progress import track
from convolens.sources import Share, as_address

ROWS = 1024  # of a row group of Parquet, and what is held at a time but for `.npz`


class Features(NamedTuple):
    """The table, how many pictures are in it, and the sentences of those that are not."""

    table: Path
    done: int
    failed: list[str]


def features_of_files(
    model: Any, sources: Sequence[AnyPath], out: AnyPath, *, taps: Sequence[str] | None = None, batch: int = 16,
    shard: str | Share | None = None, progress: bool = True, cluster: str | None = None, workers: int | None = None,
    gpus_per_worker: float = 0.0, threads_per_worker: int = 1,
) -> Features:  # fmt: skip
    """Writes a row for each picture: `path`, and for each tap the mean of each of its features over the picture.

    Of a network that hears, a row for each sound, or of one that is longer than the network takes at once for each part
    of it as long as that, whose times are in its `path`: `monday.flac[12.5-13.6 s]`.

    Args:
        model: a classifier, localizer or detector, or a trunk.
        sources: as for `predict_files`.
        out: `.parquet` (a column of lists for each tap), or `.npz` (an array for each tap, and `path`), which is held
            in memory: 4 bytes a number.
        taps: of the trunk. None: the model's own, or a trunk's last.
        batch: pictures of one size that go through the network at once.
        shard: the pictures of one of several equal shares alone, such as `3/16`.
        progress: shows how many are done.
        cluster: has the workers of a cluster do it, as in `predict_files`, like `workers`, `gpus_per_worker` and
            `threads_per_worker`. A run that ended before its end is resumed by the same call.
        workers: how many.
        gpus_per_worker: of each.
        threads_per_worker: of each.

    Raises:
        FormatError: another suffix.
        ArgumentError: no such tap, or what has no taps; or a cluster, and a table in a store.
        FileError: a source without pictures, or the table cannot be written; or there is no such cluster.
        MissingExtraError: a cluster without Ray, Parquet without pyarrow.
    """
    where = Cluster.of(cluster, workers, gpus_per_worker, threads_per_worker)
    sources, batch, progress = as_sources(sources), as_whole(batch, "batch", 1), as_flag(progress, "progress")
    trunk, share, table = trunk_of(model), Share.of(shard), as_path(out, "a table", "out")
    need_name(table)
    if where is not None and (address := as_address(out)):
        raise ArgumentError(f"{address}: need a table that all machines of a cluster see the folder of, got an address")
    chosen = trunk.chosen(taps if taps is not None or model is trunk else tuple(model.taps))
    if table.suffix.lower() not in (".parquet", ".npz"):
        raise FormatError(f"{table}: need a table's suffix, .parquet or .npz, got {table.suffix or 'none'}")
    (need_table if table.suffix.lower() == ".parquet" else need_target)(table)
    if where is not None and hears(model):
        raise ArgumentError("cluster: need none for a network that hears")
    files, total, what = files_for(model, sources, share)
    failed: list[str] = []
    write = _write_arrays if table.suffix.lower() == ".npz" else _write_rows
    with ExitStack() as stack:
        stack.enter_context(given(*sources))
        if where is not None:
            stack.enter_context(only_writer(table))
            closed = find_closed(sources, share=share)
            rows = rows_by_cluster(
                where, model, chosen, closed, table, batch=batch, total=total, progress=progress, failed=failed
            )
            done = write(table, rows, chosen)
            blocks_beside(table).remove()
            return Features(table, done, failed)
        without: list[Outcome[Any]] = []
        shown = track(files, what, total, show=progress)
        done = write(table, rows_of(model, chosen, shown, batch, without), chosen)
    return Features(table, done, [one.error for one in without])


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
