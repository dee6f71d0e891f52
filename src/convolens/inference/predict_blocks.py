"""Predictions by the workers of a cluster: blocks of pictures, with the lines and annotated pictures of one machine.

Blocks lie in `OUT/blocks` until all are done (`blocks.py`); then their lines are `OUT/predictions.jsonl`, in the order
of the source. A driver that was killed leaves the blocks that were done, and the same command goes on with the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from convolens.errors import ArgumentError, FileError
from convolens.exported import ExportedModel
from convolens.inference.blocks import FILES, Block, BlockFiles, Report, cut, done_by
from convolens.inference.predict import BulkResult, outcomes_in_batches, renewed, resume
from convolens.inference.ray_workers import Cluster
from convolens.media.annotate import annotated, write_jpeg
from convolens.media.files import AnyPath, append, writing
from convolens.media.notes import note
from convolens.media.picture_files import File, ResultPaths, find_pictures
from convolens.media.result_folders import PREDICTIONS, PREDICTIONS_UNDER_WAY
from convolens.progress import watching


@dataclass(frozen=True)
class PredictWork:
    """What a worker is sent once.

    Attributes:
        model: the model's file.
        suffix: of its name.
        device: where it is to run.
        here: the driver's folder, which paths are relative to.
        sources: what the command was given, which says where annotated pictures go.
        folder: of results.
        pictures: whether to write annotated pictures.
        batch: pictures that go through the network at once.
        options: of the model's `predict`.
    """

    model: bytes
    suffix: str
    device: str
    here: str
    sources: tuple[AnyPath, ...]
    folder: str
    pictures: bool
    batch: int
    options: dict[str, Any]

    def begin(self) -> Callable[[Block], Report]:
        """Loads the model. Raises a `FileError` where this machine has not the driver's folder."""
        try:
            os.chdir(self.here)
        except OSError as error:
            raise FileError(f"{self.here}: need it on every machine of the cluster: {error.strerror}") from error
        model, files = _loaded(self.model, self.suffix, self.device), BlockFiles(Path(self.folder))
        results = ResultPaths(self.sources, Path(self.folder) / "pictures", ".jpg") if self.pictures else None
        return lambda block: self._predict(model, files, results, block)

    def _predict(self, model: Any, files: BlockFiles, results: ResultPaths | None, block: Block) -> Report:
        failures: list[bool] = []

        def lines() -> Iterator[str]:
            for chunk in outcomes_in_batches(model, _pictures_of(block), self.batch, self.options):
                for outcome, pixels in chunk:
                    if results and outcome.result is not None and pixels is not None:
                        write_jpeg(results(outcome.path), annotated(pixels, outcome.result))
                    failures.append(bool(outcome.error))
                    yield json.dumps(outcome.line()) + "\n"

        files.write(block, lines())
        return Report(len(failures) - sum(failures), sum(failures))


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

    Errors as in `predict_files`, and those of `Cluster.joined` and `done_by`.
    """
    before, failures = resume(folder)
    append(folder / PREDICTIONS_UNDER_WAY, "")
    files = BlockFiles(folder)
    files.make()
    left = ((one, is_shard) for one, is_shard in meant() if is_shard or str(one) not in before)
    size = max(FILES // batch, 1) * batch  # so that a block's batches are those of one machine
    names: list[str] = []
    done = failed = earlier = 0
    noted: set[str] = set()
    data, suffix = _file_of(model)
    device = "auto" if cluster.gpus_per_worker else "cpu"
    work = PredictWork(
        data, suffix, device, os.getcwd(), tuple(sources), str(folder), pictures, batch, options  # noqa: PTH109
    )  # fmt: skip
    with (
        watching("pictures", None if total is None else total - len(before), show=progress) as watched,
        cluster.joined(work) as (workers, count),
    ):

        def to_do() -> Iterator[Block]:
            nonlocal earlier
            for block in cut(left, size, f"batches of {batch}", lambda shard: _in_shard(shard, before)):
                names.append(block.name)
                if files.of(block).exists():
                    counted = sum(files.counts(block))
                    earlier += counted
                    watched.advance(counted)
                else:
                    yield block

        for block, report in done_by(workers, count, to_do()):
            files.need(block)
            done, failed = done + report.done, failed + report.failed
            watched.advance(report.done + report.failed)
            for sentence in report.notes:
                if sentence not in noted:
                    noted.add(sentence)
                    note(sentence)
    _join(folder, files, names, failures)
    return BulkResult(folder / PREDICTIONS, done, failed, len(before) + earlier)


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


def _pictures_of(block: Block) -> Iterator[File]:
    if not block.is_shard:
        return iter(block.items)  # type: ignore[arg-type]
    (shard,) = block.items
    return (one for one in find_pictures([str(shard)]) if str(one) not in block.skip)


def _in_shard(shard: File, before: set[str]) -> frozenset[str]:
    """Those in a shard that earlier runs have done."""
    return frozenset(one for one in before if one.startswith(f"{shard}/"))


def _file_of(model: Any) -> tuple[bytes, str]:
    """A model's file, and how its name ends."""
    if isinstance(model, ExportedModel):
        return Path(model.path).read_bytes(), Path(model.path).suffix
    if not hasattr(model, "save"):
        raise ArgumentError(f"model: need one that cl.load or cl.train gives, got {type(model).__name__}")
    with TemporaryDirectory() as folder:
        target = Path(folder) / "model.safetensors"
        model.save(target)
        return target.read_bytes(), target.suffix


def _loaded(data: bytes, suffix: str, device: str) -> Any:
    from convolens.loading import load

    with TemporaryDirectory() as folder:
        file = Path(folder) / f"model{suffix}"
        file.write_bytes(data)
        return load(file, device=device)
