"""Predictions by the workers of a cluster: blocks of pictures, with the lines and annotated pictures of one machine.

Blocks lie in `OUT/blocks` until all are done (`clusters/`); then their lines are `OUT/predictions.jsonl`, in the order
of the source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from convolens.clusters.blocks import BlockFiles
from convolens.clusters.ray_workers import Cluster
from convolens.clusters.running import Line, in_lines
from convolens.inference.predict import BLOCKS, BulkResult, outcomes_in_batches, renewed, resume
from convolens.loading import SentModel
from convolens.media.annotate import annotated, write_jpeg
from convolens.media.files import AnyPath, append, writing
from convolens.media.picture_files import File, ResultPaths
from convolens.media.result_folders import PREDICTIONS, PREDICTIONS_UNDER_WAY


@dataclass(frozen=True)
class PredictedLines:
    """What a worker is sent once.

    Attributes:
        model: to predict by.
        sources: what the command was given, which says where annotated pictures go.
        folder: of results.
        pictures: whether to write annotated pictures.
        batch: pictures that go through the network at once.
        options: of the model's `predict`.
    """

    model: SentModel
    sources: tuple[AnyPath, ...]
    folder: str
    pictures: bool
    batch: int
    options: dict[str, Any]

    def begin(self) -> Callable[[Iterator[File]], Iterator[Line]]:
        """Loads the model."""
        results = ResultPaths(self.sources, Path(self.folder) / "pictures", ".jpg") if self.pictures else None
        return partial(self._lines, self.model.load(), results)

    def _lines(self, model: Any, results: ResultPaths | None, files: Iterator[File]) -> Iterator[Line]:
        for chunk in outcomes_in_batches(model, files, self.batch, self.options):
            for outcome, pixels in chunk:
                if results and outcome.result is not None and pixels is not None:
                    write_jpeg(results(outcome.path), annotated(pixels, outcome.result))
                yield outcome.line()


def predict_on_cluster(
    cluster: Cluster,
    model: Any,
    meant: Callable[[], Iterable[tuple[File, bool]]],
    sources: Sequence[AnyPath],
    folder: Path,
    *,
    total: int | None,
    batch: int,
    pictures: bool,
    progress: bool,
    options: dict[str, Any],
) -> BulkResult:
    """Has a cluster's workers predict.

    Args:
        cluster: where they are.
        model: of any task; its file goes to each of them.
        meant: gives the files of the source, and shards, with whether it is one.
        sources: what these were found by.
        folder: of results; there, and nobody else's meanwhile.
        total: how many pictures there are, where that is known.
        batch: pictures that go through the network at once.
        pictures: whether to write annotated pictures.
        progress: shows a bar.
        options: of the model's `predict`.

    Errors as in `predict_files`, and those of `in_lines`.
    """
    before, failures = resume(folder)
    append(folder / PREDICTIONS_UNDER_WAY, "")
    files = BlockFiles(folder / BLOCKS)
    lines = PredictedLines(
        SentModel.of(model, cluster.device), tuple(sources), str(folder), pictures, batch, options
    )  # fmt: skip
    run = in_lines(
        cluster, lines, ((one, is_shard) for one, is_shard in meant() if is_shard or str(one) not in before), files,
        batch=batch, key=f"batches of {batch}", skip=partial(_in_shard, before=before),
        total=None if total is None else total - len(before), progress=progress,
    )  # fmt: skip
    _join(folder, files, run.names, failures)
    return BulkResult(folder / PREDICTIONS, run.done, run.failed, len(before) + run.before)


def _join(folder: Path, files: BlockFiles, names: Sequence[str], failures: set[str]) -> None:
    """Puts lines of earlier runs and of the blocks together, in one step; only then do the blocks go."""
    part = folder / PREDICTIONS_UNDER_WAY
    again = {}
    if failures:
        again = {path: line for line in files.lines(names) if (path := json.loads(line)["path"]) in failures}
    with writing(folder / PREDICTIONS) as draft, draft.open("wb") as out:
        with part.open("rb") as lines:
            out.writelines(renewed(lines, again))
        for line in files.lines(names):
            if not again or json.loads(line)["path"] not in again:
                out.write(line)
    part.unlink()
    files.remove()


def _in_shard(shard: File, before: set[str]) -> frozenset[str]:
    """Those in a shard that earlier runs have done."""
    return frozenset(one for one in before if one.startswith(f"{shard}/"))
