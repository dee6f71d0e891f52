"""Workers on a cluster, by Ray: actors that hold what they need and are given blocks by name, never pixels.

Ray's core alone: an actor a worker, an object for what all of them need. What becomes of blocks is decided in
`blocks.py`, which knows nothing of Ray.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from convolens import errors
from convolens.arrays import as_real, as_whole
from convolens.clusters.blocks import Block, Report, WorkerLost
from convolens.errors import ArgumentError, ConvolensError, DeviceError, FileNote, need_package

_TOO_LATE = "timed out during startup"  # Ray's words; its limit is no setting

LOCAL = "local"  # in place of a cluster's address: as many workers on this machine


class Work(Protocol):
    """What is to be done; sent to each worker once."""

    def begin(self) -> Callable[[Block], Report]:
        """Makes what does a block, such as a model that is loaded."""


@dataclass(frozen=True)
class Cluster:
    """Where workers are, and what each has.

    Attributes:
        address: of a running cluster, as Ray has it (`auto`: the one that this machine is part of), or `local`.
        workers: how many; None: as many as it has room for.
        gpus_per_worker: of each; less than 1 where several share one.
        threads_per_worker: of torch and of the core, and processors that each is given.
    """

    address: str
    workers: int | None = None
    gpus_per_worker: float = 0.0
    threads_per_worker: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address:
            raise ArgumentError(f"cluster: need local, auto or a cluster's address, got {self.address!r}")
        if self.workers is not None:
            as_whole(self.workers, "workers", 1)
        as_real(self.gpus_per_worker, "gpus_per_worker", "a number of at least 0", lambda value: value >= 0)
        as_whole(self.threads_per_worker, "threads_per_worker", 1)

    @classmethod
    def of(
        cls, address: str | None, workers: int | None, gpus_per_worker: float, threads_per_worker: int
    ) -> Cluster | None:
        """The cluster that a call was given by these arguments; None where it was given none.

        Raises:
            ArgumentError: what workers have, and no cluster; or an argument that is none.
        """
        if address is not None:
            return cls(address, workers, gpus_per_worker, threads_per_worker)
        if workers is not None or gpus_per_worker or threads_per_worker != 1:
            raise ArgumentError("workers: need cluster too, which has them")
        return None

    @property
    def device(self) -> str:
        """Where its workers run networks."""
        return "auto" if self.gpus_per_worker else "cpu"

    @property
    def own_workers(self) -> int:
        """How many are started on this machine where the cluster is none."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.workers or max(cores // self.threads_per_worker, 1)

    @contextmanager
    def joined(self, work: Work) -> Iterator[tuple[RayWorkers, int]]:
        """The workers, and how many; they end with it.

        Raises:
            MissingExtraError: Ray is not installed.
            FileError: there is no cluster at the address.
            DeviceError: it has no room for a single worker.
        """
        ray = _connected(self)
        try:
            yield RayWorkers(ray, work, self), self.workers or _room(ray, self)
        finally:
            if ray is not None:
                ray.shutdown()


def _connected(cluster: Cluster) -> Any:
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that is started here
        import ray
    except ImportError:
        raise need_package("ray", "cluster", "cluster") from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own plans for its next versions
            if cluster.address == LOCAL:
                cpus = cluster.own_workers * cluster.threads_per_worker
                ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
            else:
                _need_answer(cluster.address)
                ray.init(address=cluster.address, **quiet)
    except Exception as error:  # Ray raises bare ones too
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if _TOO_LATE in reason:
            raise errors.FileError(
                "cluster: need Ray to start on this machine within the 30 seconds that it gives itself, which it did "
                "not; other programs keep the machine busy: run the same again later"
            ) from error
        raise errors.FileError(f"cluster: need a running one at {cluster.address!r}: {reason}") from error
    return ray


def _need_answer(address: str) -> None:
    """Raises an `OSError` where nobody listens at an address with a port, for which Ray would wait some minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _room(ray: Any, cluster: Cluster) -> int:
    """How many workers the cluster has room for."""
    there = ray.cluster_resources()
    room = there.get("CPU", 0) // cluster.threads_per_worker
    if cluster.gpus_per_worker:
        room = min(room, there.get("GPU", 0) // cluster.gpus_per_worker)
    if room < 1:
        raise DeviceError(
            f"cluster: need room for a worker of {cluster.threads_per_worker} processors and "
            f"{cluster.gpus_per_worker:g} GPUs, got a cluster of {there.get('CPU', 0):g} and {there.get('GPU', 0):g}"
        )
    return int(room)


class RayWorkers:
    """Workers as actors of Ray; a ticket is a reference to what an actor will return."""

    def __init__(self, ray: Any, work: Work, cluster: Cluster) -> None:
        self._ray, self._threads = ray, cluster.threads_per_worker
        self._work = ray.put(work)
        self._actor = ray.remote(
            num_cpus=cluster.threads_per_worker, num_gpus=cluster.gpus_per_worker, max_restarts=0, max_task_retries=0
        )(_Worker)

    def start(self) -> Any:
        """An actor; it loads what it needs with its first block."""
        return self._actor.remote(self._work, self._threads)

    def give(self, worker: Any, block: Block) -> Any:
        """A reference to what will become of the block."""
        return worker.do.remote(block)

    def first_done(self, tickets: Sequence[Any]) -> Any:
        """The first that is there, or never will be."""
        done, _ = self._ray.wait(list(tickets), num_returns=1)
        return done[0]

    def report(self, ticket: Any) -> Report:
        """What became of a block; errors as `Workers.report`."""
        lost = self._ray.exceptions
        try:
            found = self._ray.get(ticket)
        except (lost.RayActorError, lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError) as error:
            raise WorkerLost(str(error).splitlines()[0]) from error
        if isinstance(found, _Refusal):
            raise found.error()
        assert isinstance(found, Report)
        return found


@dataclass(frozen=True)
class _Refusal:
    """An error that no block is done without: its kind, and its sentence."""

    kind: str
    sentence: str

    def error(self) -> ConvolensError:
        found: ConvolensError = getattr(errors, self.kind, ConvolensError)(self.sentence)
        return found


class _Worker:
    """An actor's inside."""

    def __init__(self, work: Work, threads: int) -> None:
        self.work, self.threads = work, threads
        self.begun: Callable[[Block], Report] | None = None

    def do(self, block: Block) -> Report | _Refusal:
        """Does a block, and notes what is noted."""
        try:
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always", FileNote)
                if self.begun is None:
                    self.begun = self._begin()
                report = self.begun(block)
        except ConvolensError as error:
            return _Refusal(type(error).__name__, str(error))
        notes = tuple(str(one.message) for one in noted if issubclass(one.category, FileNote))
        return replace(report, notes=notes)

    def _begin(self) -> Callable[[Block], Report]:
        from convolens.settings import threads

        begun = self.work.begin()
        threads(self.threads)  # of torch too, now that it is loaded
        return begun
