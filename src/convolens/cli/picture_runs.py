"""What commands on pictures share: one picture or many, shares and clusters, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convolens.cli.telling import tell_failure, tell_many, tell_written

if TYPE_CHECKING:
    from convolens.clusters.ray_workers import Cluster
    from convolens.sources import Share


def _page(words: str | None) -> Any:
    """A page's number, "all", or None.

    Raises:
        ArgumentError: neither.
    """
    from convolens.errors import ArgumentError

    if words is None or words == "all":
        return words
    if not words.isdecimal() or int(words) == 0:
        raise ArgumentError(f"page: need a number from 1 on, or all, got {words!r}")
    return int(words)


class Run(NamedTuple):
    """What a command was told: its name, its options, which page, which share of the pictures, and whose workers."""

    command: str
    options: dict[str, Any]
    page: str | None
    shard: str | None
    cluster: str | None
    workers: int | None
    threads_per_worker: int


def change(source: str, target: Path, work: Any, run: Run) -> None:
    """One picture, or many into a folder: then a bad one is reported and skipped, and the exit code says so."""
    from convolens.clusters.ray_workers import Cluster
    from convolens.effects.pictures.files import change_picture_file, change_picture_files, change_share
    from convolens.media.picture_files import ResultPaths, count_pictures, find_pictures, is_many
    from convolens.progress import track
    from convolens.sources import Share

    page, share = _page(run.page), Share.of(run.shard)
    cluster = Cluster.of(run.cluster, run.workers, 0.0, run.threads_per_worker)
    if cluster is not None:
        return _change_on_cluster(cluster, source, target, work, run, page, share)
    if share is None and not is_many(source):
        change_picture_file(source, target, work, page=page)
        return tell_written(target)
    count = count_pictures([source], target, share)
    if share is not None:
        changes = change_share(source, target, share, run.command, run.options, work, page=page)
    else:
        changes = change_picture_files(
            find_pictures([source], outside=target), ResultPaths([source], target), work, page=page
        )
    done, failures = 0, []
    for outcome in track(changes, target.name, count):
        done += not outcome.error
        failures += [outcome.error] if outcome.error else []
    return _tell_changed(target, done, failures)


def _change_on_cluster(
    cluster: Cluster, source: str, target: Path, work: Any, run: Run, page: Any, share: Share | None
) -> None:
    from convolens.effects.pictures.on_cluster import change_on_cluster
    from convolens.errors import ArgumentError
    from convolens.media.picture_files import is_many

    if not is_many(source):
        raise ArgumentError(f"cluster: need many pictures, in a folder, a pattern or a shard, got {source}")
    changed = change_on_cluster(cluster, source, target, run.command, run.options, work, page=page, share=share)
    _tell_changed(target, *changed)


def _tell_changed(target: Path, done: int, failures: list[str]) -> None:
    for failure in failures:
        tell_failure(f"skipped: {failure}")
    tell_many(target, done, len(failures), "pictures")
