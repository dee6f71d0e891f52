"""Many pictures through a model: JSON Lines and annotated pictures, in constant memory, resumable.

    OUT/predictions.jsonl   a line for each picture, in order: its path and what was predicted, or its error
    OUT/pictures/…          each picture with what was predicted drawn on it, as JPEG: photo.jpg of photo.png
    OUT/model.json          which model it was

While it runs the lines are in `predictions.part.jsonl`, those of a batch as soon as it is done. A run that was
interrupted is resumed behind the last whole line, and ends with the same bits as one that was not.
Pictures that failed are tried again by every run that is given them; their new lines take the places of the old.
Works with any task: what a model predicts is a dataclass, whose fields are the line's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from convolens.arrays import as_flag, as_whole
from convolens.clusters.ray_workers import Cluster
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError, FormatError, MemoryRefused, ShapeError, did_you_mean
from convolens.inference.fingerprints import fingerprint as fingerprint
from convolens.inference.store_results import predict_into_store
from convolens.media.annotate import annotated, write_jpeg
from convolens.media.files import AnyPath, append, as_path, make_folder, need_file, need_name, write_json, writing
from convolens.media.found_pictures import as_sources
from convolens.media.inputs import given, need_no_input
from convolens.media.one_writer import only_writer
from convolens.media.parts import part_in
from convolens.media.picture_files import (
    File,
    Outcome,
    ResultPaths,
    attempt,
    count_pictures,
    decoded_ahead,
    find_closed,
    find_pictures,
)
from convolens.media.result_folders import PREDICTIONS, PREDICTIONS_UNDER_WAY
from convolens.progress import watching
from convolens.sources import Share, as_address

# What the first files called an option, and what it is called now.
_NOW_CALLED = {"overlap": "nms_iou", "per_class": "top_k", "most": "max_detections"}
BLOCKS = "blocks"  # the folder of a cluster's, in one of results
HELD_PIXELS = 48_000_000  # of pictures in flight: four large photos, 150 MB


@runtime_checkable
class Predictor(Protocol):
    """What every task's model is here: something that predicts for pictures."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def predict(self) -> Callable[..., Any]:
        """From a list of pictures, and `batch=`, to a dataclass for each."""


@dataclass(frozen=True)
class BulkResult:
    """The file of lines, and how many pictures were done now, failed now, and were done by earlier runs."""

    lines: Path | str
    done: int
    failed: int
    before: int


def predictions(model: Predictor, files: Iterable[File], *, batch: int = 16, **options: Any) -> Iterator[Outcome[Any]]:
    """What the model predicts for each file, in order, as they are done; a bad file is an outcome with its error.

    At most `batch` pictures, and not many more than `HELD_PIXELS` pixels, are held at a time.

    Args:
        model: of any task.
        files: pictures.
        batch: how many go through the network at once.
        options: of the model's own `predict`.

    Raises:
        ArgumentError: the batch is not positive, or an option is wrong.
    """
    return (outcome for chunk in outcomes_in_batches(model, files, batch, options) for outcome, _ in chunk)


def predict_files(
    model: Predictor,
    sources: Sequence[AnyPath],
    out: AnyPath,
    *,
    batch: int = 16,
    pictures: bool = True,
    progress: bool = True,
    shard: str | Share | None = None,
    cluster: str | None = None,
    workers: int | None = None,
    gpus_per_worker: float = 0.0,
    threads_per_worker: int = 1,
    **options: Any,
) -> BulkResult:
    """Predicts for files, folders and patterns, and writes lines and annotated pictures into a folder.

    A model that was trained by sounds takes sound files of this machine, and the options of `convolens.listen`; what it
    writes is that of `convolens.inference.hearing`, and a rerun begins anew.

    Pictures are found as they are needed: the first are predicted for while a store (`s3://bucket/photos`) is listed.

    Args:
        model: of any task.
        sources: files, folders, patterns, addresses, tar shards, Parquet tables.
        out: the folder; made if missing. A run of the same model and options that is there is resumed, and what failed
            is tried again. At an address (`s3://…`) lines alone are written, in parts that are kept once a minute; that
            nobody else writes there meanwhile is the caller's care.
        batch: pictures that go through the network at once.
        pictures: whether to write annotated pictures too.
        progress: shows a bar with the time left.
        shard: predicts for one of several equal shares alone, such as `3/16`: the same split of the same files on every
            machine. `convolens merge` joins what they wrote.
        cluster: has the workers of a cluster predict (Ray, extra `cluster`): its address, `auto` for the one that this
            machine is part of, or `local` for workers on this machine. They are sent names and the model, and write
            into `out`, which every machine must see. A worker that is lost costs the blocks that it had in hand.
        workers: how many; None: as many as the cluster has room for.
        gpus_per_worker: of each; less than 1 where several share one.
        threads_per_worker: that each computes with, and processors that it is given.
        options: of the model's own `predict`.

    Raises:
        FileError: a source without pictures, or the folder cannot be written, or another process is writing there; or
            there is no such cluster.
        ArgumentError: the folder holds predictions of another model, with other options or of another shard, or those
            of a run on a cluster that is not done, without `cluster`.
        MissingExtraError: a cluster without Ray.
        DeviceError: the cluster has no room for a worker.
        TrainingError: a block of pictures ended its worker ten times.
    """
    if hears(model):
        from convolens.inference.hearing import hear_files, need_own  # which need torch, as exported models do not

        need_own(options, shard=shard, cluster=cluster, workers=workers)
        return BulkResult(
            *hear_files(model, as_sources(sources), out, batch=batch, progress=progress, **options), before=0
        )
    _check_options(model, options)
    sources, batch = as_sources(sources), as_whole(batch, "batch", 1)
    pictures, progress = as_flag(pictures, "pictures"), as_flag(progress, "progress")
    need_name(as_path(out, "a folder", "out"))
    where = Cluster.of(cluster, workers, gpus_per_worker, threads_per_worker)
    share = Share.of(shard)
    if address := as_address(out):
        if where is not None:
            raise ArgumentError(f"{address}: need a folder that all machines see as --out of a cluster, got an address")
        told = {**_described(model, options), **({} if share is None else {"shard": str(share)})}
        work = partial(outcomes_in_batches, model, batch=batch, options=options)
        return BulkResult(*predict_into_store(address, sources, share, told, work, progress=progress))
    count = count_pictures(sources, out, share)  # refuses what is none before a folder is made
    folder = make_folder(out)
    run = _described(model, options)
    meant = partial(find_pictures, sources, outside=folder, share=share)
    part = part_in(folder, share, "predict", run, sources, PREDICTIONS)
    with given(*sources, results=folder), only_writer(folder), part:
        annotations = ResultPaths(sources, folder / "pictures", ".jpg") if pictures else None
        _check_manifest(folder, run)
        if where is not None:
            from convolens.inference.predict_blocks import predict_on_cluster  # which is built on this module

            closed = partial(find_closed, sources, outside=folder, share=share)
            return predict_on_cluster(
                where, model, closed, sources, folder,
                total=count, batch=batch, pictures=pictures, progress=progress, options=options,
            )  # fmt: skip
        _need_no_blocks(folder)
        return _predict_into(folder, model, meant, count, batch, annotations, progress, options)


def _described(model: Predictor, options: dict[str, Any]) -> dict[str, Any]:
    """What predictions are of, in plain data."""
    described = {"task": model.task, "model": fingerprint(model), "options": options}
    plain: dict[str, Any] = json.loads(json.dumps(described, default=str))
    return plain


def _predict_into(
    folder: Path,
    model: Predictor,
    meant: Callable[[], Iterator[File]],
    count: int | None,
    batch: int,
    annotations: ResultPaths | None,
    progress: bool,
    options: dict[str, Any],
) -> BulkResult:
    need_no_input(folder / PREDICTIONS, folder / PREDICTIONS_UNDER_WAY)
    before, failures = resume(folder)
    todo = (path for path in meant() if str(path) not in before)
    again: dict[str, bytes] = {}  # new lines of what had failed
    done = failed = 0
    part = folder / PREDICTIONS_UNDER_WAY
    append(part, "")  # it is there even if nothing is to do
    total = None if count is None else count - len(before)
    with watching("pictures", total, show=progress) as watched:
        for chunk in outcomes_in_batches(model, todo, batch, options):
            lines = [(str(outcome.path), json.dumps(outcome.line()) + "\n") for outcome, _ in chunk]
            for outcome, pixels in chunk:
                if annotations and outcome.result is not None and pixels is not None:
                    write_jpeg(annotations(outcome.path), annotated(pixels, outcome.result))
                done, failed = done + (not outcome.error), failed + bool(outcome.error)
                watched.advance(1)
            # All at once: what is resumed then has the batches that it would have had.
            append(part, "".join(line for _, line in lines))
            again |= {path: line.encode() for path, line in lines if path in failures}
    _finish(folder, again)
    return BulkResult(folder / PREDICTIONS, done, failed, len(before))


def _need_no_blocks(folder: Path) -> None:
    if (folder / BLOCKS).exists():
        raise ArgumentError(
            f"{folder}: holds a run on a cluster that is not done; the same command with the cluster resumes it, or "
            "give another folder"
        )


def _check_options(model: Predictor, options: dict[str, Any]) -> None:
    if not hasattr(model, "predict") or not hasattr(model, "task"):
        got = f"one of {model.task}" if hasattr(model, "task") else type(model).__name__
        raise ArgumentError(f"model: need one that predicts, got {got}")
    taken = [name for name in signature(model.predict).parameters if name not in ("self", "images", "batch")]
    wrong = [name for name in options if name not in taken]
    if wrong:
        hint = did_you_mean(wrong[0], taken)
        raise ArgumentError(f"{wrong[0]}: need an option of {model.task} models ({', '.join(taken)}){hint}")


def outcomes_in_batches(
    model: Predictor, files: Iterable[File], batch: int, options: dict[str, Any]
) -> Iterator[list[tuple[Outcome[Any], NDArray[Any] | None]]]:
    """What `predictions` gives, and the pixels that it is of, in the batches that go through the network."""
    if batch < 1:
        raise ArgumentError(f"batch: need at least 1 picture, got {batch}")
    _check_options(model, options)
    for chunk in _chunks(decoded_ahead(files), batch):
        yield list(zip(_predicted(model, chunk, batch, options), (one.result for one in chunk), strict=True))


def _chunks(decoded: Iterable[Outcome[NDArray[Any]]], batch: int) -> Iterator[list[Outcome[NDArray[Any]]]]:
    """As many as go through the network at once, or as memory is meant to hold."""
    chunk: list[Outcome[NDArray[Any]]] = []
    held = 0
    for one in decoded:
        chunk.append(one)
        held += 0 if one.result is None else one.result.shape[0] * one.result.shape[1]
        if len(chunk) == batch or held >= HELD_PIXELS:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _predicted(
    model: Predictor, chunk: Sequence[Outcome[NDArray[Any]]], batch: int, options: dict[str, Any]
) -> Iterator[Outcome[Any]]:
    good = [one.result for one in chunk if one.result is not None]
    try:
        found = iter(model.predict(good, batch=batch, **options) if good else [])
    except (ShapeError, MemoryRefused):  # one is too small for the network, or too large: each on its own
        yield from (one if one.result is None else _alone(model, one.path, one.result, options) for one in chunk)
        return
    yield from (one if one.result is None else Outcome(one.path, next(found)) for one in chunk)


def _alone(model: Predictor, path: File, pixels: NDArray[Any], options: dict[str, Any]) -> Outcome[Any]:
    return attempt(path, lambda: model.predict([pixels], batch=1, **options)[0])


def _check_manifest(folder: Path, here: dict[str, Any]) -> None:
    """Writes down which model and options these predictions are of; refuses a folder that holds another's."""
    manifest = folder / "model.json"
    if not manifest.exists():
        write_json(manifest, here)
        return
    try:
        there = json.loads(need_file(manifest, "the description of predictions").read_text("utf-8"))
        there["options"] = {_NOW_CALLED.get(name, name): value for name, value in there["options"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{manifest}: need what predictions are of as JSON, got {error}; give another folder"
        ) from error
    if there != here:
        raise ArgumentError(f"{folder}: holds predictions of another model or with other options; give another folder")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"need a text, got {type(value).__name__}")
    return value


def _finish(folder: Path, again: dict[str, bytes]) -> None:
    """Gives the lines their final name; of a picture that was tried again the last one stands where its first did."""
    part = folder / PREDICTIONS_UNDER_WAY
    with part.open("rb") as lines:
        os.fsync(lines.fileno())
    if again:
        with writing(folder / PREDICTIONS) as draft, part.open("rb") as lines, draft.open("wb") as out:
            out.writelines(renewed(lines, again))
        part.unlink()
    else:
        part.replace(folder / PREDICTIONS)


def renewed(lines: Iterable[bytes], again: Mapping[str, bytes]) -> Iterator[bytes]:
    """Lines, and of each picture that was tried again the new one where its first stood."""
    left = set(again)
    for line in lines:
        path = json.loads(line)["path"] if again else ""
        if path not in again:
            yield line
        elif path in left:
            yield again[path]
            left.remove(path)


def resume(folder: Path) -> tuple[set[str], set[str]]:
    """The paths that were predicted for, and those that failed and nothing else.

    A line that was cut off is taken away, so that writing resumes behind it.
    """
    done, part = folder / PREDICTIONS, folder / PREDICTIONS_UNDER_WAY
    if done.exists() and not part.exists():
        done.replace(part)
    if not part.exists():
        return set(), set()
    paths, failures, whole = set[str](), set[str](), 0
    with part.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            try:
                known = json.loads(line)
                (failures if "error" in known else paths).add(_text(known["path"]))
            except (ValueError, KeyError, TypeError, RecursionError):
                break
            whole += len(line)
    with part.open("r+b") as stream:
        stream.truncate(whole)
    return paths, failures - paths
