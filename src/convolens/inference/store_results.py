"""Predictions into a folder of a store: lines alone, kept in parts as they come, whole in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convolens.errors import ArgumentError, FormatError
from convolens.media.files import AnyPath
from convolens.media.inputs import given
from convolens.media.picture_files import File, Outcome, count_pictures, find_pictures
from convolens.media.result_folders import PREDICTIONS
from convolens.progress import watching
from convolens.sources import Share
from convolens.sources.addresses import joined
from convolens.sources.sinks import StoredLines, get, put

Work = Callable[[Iterable[File]], Iterator[list[tuple[Outcome[Any], Any]]]]


def predict_into_store(
    address: str, sources: Sequence[AnyPath], share: Share | None, run: Mapping[str, Any], work: Work, *, progress: bool
) -> tuple[str, int, int, int]:
    """Predicts for what has no line yet.

    Args:
        address: of the folder.
        sources: as of `find_pictures`, like `share`.
        share: which pictures.
        run: what the predictions are of, in plain data; written beside them, and refused where it is another.
        work: from files to what became of them, a batch at a time.
        progress: shows how many are done.

    Returns:
        The address of the lines; how many pictures were done now, failed now, and were done before.

    Raises:
        FileError: a source without pictures, or the store does not answer.
        ArgumentError: the folder holds predictions of another model, with other options or of another shard.
    """
    _need_same(address, run)
    count_pictures(sources, address)  # refuses what is none before anything is written
    put(joined(address, "model.json"), json.dumps(run, indent=2).encode())
    lines = StoredLines(joined(address, PREDICTIONS))
    before, done, failed = len(lines.done), 0, 0
    files = find_pictures(sources, outside=address, share=share)
    todo = (path for path in files if str(path) not in lines.done)
    with given(*sources, results=Path(address)), watching("pictures", None, show=progress) as watched:
        for chunk in work(todo):
            lines.append([json.dumps(outcome.line()) + "\n" for outcome, _ in chunk])
            bad = sum(bool(outcome.error) for outcome, _ in chunk)
            done, failed = done + len(chunk) - bad, failed + bad
            watched.advance(len(chunk))
    lines.finish()
    return lines.address, done, failed, before


def _need_same(address: str, run: Mapping[str, Any]) -> None:
    manifest = joined(address, "model.json")
    there = get(manifest)
    try:
        told = run if there is None else json.loads(there)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{manifest}: need what predictions are of as JSON, got {error}") from error
    if told != run:
        raise ArgumentError(f"{address}: holds predictions of another model or with other options; give another folder")
