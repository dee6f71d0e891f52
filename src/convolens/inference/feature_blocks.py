"""What taps give for pictures, by the workers of a cluster: rows as lines, in blocks beside the table."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convolens.clusters.blocks import BlockFiles
from convolens.clusters.ray_workers import Cluster
from convolens.clusters.running import Line, in_lines
from convolens.inference.feature_rows import Row, rows_of
from convolens.inference.fingerprints import fingerprint
from convolens.loading import SentModel
from convolens.media.picture_files import File, Outcome


@dataclass(frozen=True)
class FeatureLines:
    """What a worker is sent once: a model or trunk, the taps, and how many pictures go through it at once."""

    model: SentModel
    taps: tuple[str, ...]
    batch: int

    def begin(self) -> Callable[[Iterator[File]], Iterator[Line]]:
        """Loads the model."""
        return partial(self._lines, self.model.load())

    def _lines(self, model: Any, files: Iterator[File]) -> Iterator[Line]:
        failed: list[Outcome[Any]] = []
        for path, values in rows_of(model, self.taps, files, self.batch, failed):
            yield {"path": path, "values": [base64.b64encode(one.astype("<f4").tobytes()).decode() for one in values]}
        yield from (outcome.line() for outcome in failed)


def rows_by_cluster(
    cluster: Cluster, model: Any, taps: Sequence[str], items: Iterable[tuple[File, bool]], table: Path,
    *, batch: int, total: int | None, progress: bool, failed: list[str],
) -> Iterator[Row]:  # fmt: skip
    """The rows of pictures in order, once workers have made all of them.

    Args:
        cluster: where workers are.
        model: a model or a trunk.
        taps: whose features.
        items: files, and shards, with whether it is one.
        table: what rows are for; beside it are the blocks, which whoever has written it is to remove.
        batch: pictures that go through the network at once.
        total: how many pictures there are, where that is known.
        progress: shows a bar.
        failed: the sentences of pictures that have no row are added.

    Errors as of `in_lines`.
    """
    files = blocks_beside(table)
    lines = FeatureLines(SentModel.of(model, cluster.device), tuple(taps), batch)
    key = json.dumps([fingerprint(model), list(taps), batch])
    run = in_lines(cluster, lines, items, files, batch=batch, key=key, total=total, progress=progress)
    for text in files.lines(run.names):
        line = json.loads(text)
        if "error" in line:
            failed.append(line["error"])
        else:
            yield line["path"], [np.frombuffer(base64.b64decode(one), "<f4") for one in line["values"]]


def blocks_beside(table: Path) -> BlockFiles:
    """The blocks of a table's rows, in a hidden folder."""
    return BlockFiles(table.with_name(f".{table.name}.blocks"))
