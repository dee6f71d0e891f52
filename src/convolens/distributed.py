"""Several processes that train or measure one model, started by `torchrun`; alone, all of this does nothing.

In training each takes its part of every batch. Losses are divided by counts over all of them, so that the step is the
one that a single process would take with the whole batch. In measuring each takes its part of the pictures, in the
batches that a single process would make of them, and what was found is put together in order: the numbers are the same.
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from convolens.arrays import as_whole
from convolens.errors import TrainingError

Value = TypeVar("Value")
PATIENCE = timedelta(minutes=30)  # torch's own, for processes that are still reading their data
LATE = 30.0  # seconds after which a process that waits for the others says so: they may never come


@dataclass(frozen=True)
class World:
    """This process's number and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and shows."""
        return self.rank == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Wraps a model, so that its gradients become the mean over all processes."""
        if self.size == 1:
            return model
        device = next(model.parameters()).device
        ids = [device.index] if device.type == "cuda" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a new name for the option, which torch 2.6 has not
            return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def part(self, count: int, batch: int) -> slice:
        """Which of so many items, in order, are this process's: cut where a batch ends.

        >>> [World(rank, 2).part(10, 4) for rank in range(2)]
        [slice(0, 4, None), slice(4, 10, None)]
        """
        batch = as_whole(batch, "batch", 1)
        batches = -(-count // batch)
        first, last = (batches * rank // self.size for rank in (self.rank, self.rank + 1))
        return slice(first * batch, min(last * batch, count))

    def summed_up(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Adds up counts over all processes."""
        if self.size == 1:
            return dict(counts)
        values = torch.tensor([counts[name] for name in sorted(counts)], dtype=torch.float64, device=_device())
        dist.all_reduce(values)
        return dict(zip(sorted(counts), values.tolist(), strict=True))

    def smallest(self, number: int) -> int:
        """The smallest of all processes' numbers."""
        if self.size == 1:
            return number
        value = torch.tensor(number, device=_device())
        dist.all_reduce(value, dist.ReduceOp.MIN)
        return int(value)

    def broadcast(self, value: Value) -> Value:
        """Gives all processes the first one's value."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values)
        first: Value = values[0]
        return first

    def gathered(self, value: Value) -> list[Value]:
        """Gives all processes every process's value, in order."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    @torch.no_grad()
    def share_buffers(self, model: nn.Module) -> None:
        """Gives all processes the first one's buffers, such as a batch norm's statistics; weights are alike anyway."""
        if self.size == 1:
            return
        for one in model.buffers():
            dist.broadcast(one, 0)

    def without_sync(self, network: nn.Module, last: bool) -> Any:
        """Keeps gradients from being exchanged before the last part of a step."""
        return nullcontext() if self.size == 1 or last else network.no_sync()  # type: ignore[operator]


def started_by_torchrun() -> bool:
    """Whether this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def leads() -> bool:
    """Whether this process is the one that writes: the first of those that `torchrun` started, or the only one."""
    return not started_by_torchrun() or int(os.environ.get("RANK", "0")) == 0


def current_world() -> World:
    """The processes that were joined, or this one alone."""
    if not dist.is_available() or not dist.is_initialized():
        return World()
    return World(dist.get_rank(), dist.get_world_size())


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Joins the processes that `torchrun` started, or gives a world of this process alone.

    Within another it is that one's; who began it leaves it.
    """
    if not started_by_torchrun() or (dist.is_available() and dist.is_initialized()):
        yield current_world()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Optimizers load it at their first step. Loaded with a group at hand it would keep that for good, and the group's
    # threads, alive when the interpreter ends, now and then abort the process.
    importlib.import_module("torch._dynamo")
    backend, agent = "nccl" if device.type == "cuda" else "gloo", _agents_store()
    with _told_when_late():
        if agent is None:
            dist.init_process_group(backend)
        else:
            rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            store = dist.PrefixStore(met(agent, rank, size), agent)  # type: ignore[attr-defined]
            dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        with warnings.catch_warnings():
            # Of weights of 1×1, whose gradients by torch's own convolution have strides that mean the same in another
            # order: it may well be copied as it is.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
            yield current_world()
    finally:
        gc.collect()
        dist.destroy_process_group()


@contextmanager
def _told_when_late() -> Iterator[None]:
    """Says what is waited for, if it takes long: who makes a call alone waits for the others half an hour."""
    timer = threading.Timer(LATE, _tell_late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell_late() -> None:
    rank, size = (os.environ.get(name, "?") for name in ("RANK", "WORLD_SIZE"))
    warnings.warn(
        f"torchrun: process {rank} waits for the others of {size}; each of them must make the call, cl.evaluate too, "
        'not only the first, which alone may print and save what comes of it: if os.environ["RANK"] == "0"',
        stacklevel=2,
    )


def _agents_store() -> Any:
    """The store by which `torchrun`'s processes find one another, where it outlives them."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return dist.TCPStore(host, port, is_master=False, timeout=PATIENCE)  # type: ignore[attr-defined]


def met(store: Any, rank: int, size: int) -> str:
    """Lets processes that were started together meet, and gives all of them a word that no earlier ones had.

    In the store that `torchrun` keeps over restarts lie the addresses of the processes before, which are gone: who
    takes them waits for ever (pytorch issue 135712). A count of restarts would not do, as each machine has its own. So
    each process but the first says a word of its own, the first answers each that it hears, and goes on once all have
    heard the answer; what the dead said is answered too, and nobody hears it.

    Raises:
        TrainingError: the others did not come.
    """
    own, until = uuid.uuid4().hex, time.monotonic() + PATIENCE.total_seconds()
    if rank:
        store.set(f"convolens/hello/{rank}", own)
        _wait_for(store, f"convolens/answer/{own}", until)
        word = str(store.get(f"convolens/answer/{own}").decode())
        store.set(f"convolens/heard/{word}/{rank}", "")
        return word
    missing, answered = set(range(1, size)), set[str]()
    while missing:
        _need_time(until, f"{len(missing)} of {size}")
        for other in sorted(missing):
            if store.check([f"convolens/heard/{own}/{other}"]):
                missing.discard(other)
            elif store.check([f"convolens/hello/{other}"]):
                hello = store.get(f"convolens/hello/{other}").decode()
                if hello not in answered:
                    store.set(f"convolens/answer/{hello}", own)
                    answered.add(hello)
        time.sleep(0.01)
    return own


def _wait_for(store: Any, key: str, until: float) -> None:
    while not store.check([key]):
        _need_time(until, "the first")
        time.sleep(0.01)


def _need_time(until: float, who: str) -> None:
    if time.monotonic() > until:
        raise TrainingError(f"torchrun: need all its processes, {who} did not come within {PATIENCE}")


def _device() -> str:
    """Where tensors are that this group exchanges."""
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
