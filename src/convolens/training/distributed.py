"""Several processes that train one model, started by `torchrun`; alone, all of this does nothing.

Each process takes its part of every batch. Losses are divided by counts over all of them, so that the step is the one
that a single process would take with the whole batch. Batch norms in training see their own process's pictures only.
"""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from convolens.trunks.options import pick_device

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """This process's number and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that measures, writes and shows."""
        return self.rank == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Wraps a model, so that its gradients become the mean over all processes."""
        if self.size == 1:
            return model
        device = next(model.parameters()).device
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def summed_up(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Adds up counts over all processes."""
        if self.size == 1:
            return dict(counts)
        values = torch.tensor([counts[name] for name in sorted(counts)], dtype=torch.float64)
        where = "cuda" if dist.get_backend() == "nccl" else "cpu"
        values = values.to(where)
        dist.all_reduce(values)
        return dict(zip(sorted(counts), values.tolist(), strict=True))

    def smallest(self, number: int) -> int:
        """The smallest of all processes' numbers."""
        if self.size == 1:
            return number
        value = torch.tensor(number, device="cuda" if dist.get_backend() == "nccl" else "cpu")
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

    def without_sync(self, network: nn.Module, last: bool) -> Any:
        """Keeps gradients from being exchanged before the last part of a step."""
        return nullcontext() if self.size == 1 or last else network.no_sync()  # type: ignore[operator]


def own_device(device: str) -> torch.device:
    """The requested device; with a GPU for each process, this one's. Errors as in `pick_device`."""
    picked = pick_device(device)
    if picked.type == "cuda" and picked.index is None and "LOCAL_RANK" in os.environ:
        return pick_device(f"cuda:{os.environ['LOCAL_RANK']}")
    return picked


def leads() -> bool:
    """Whether this process is the one that writes: the first of those that `torchrun` started, or the only one."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1 or int(os.environ.get("RANK", "0")) == 0


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Joins the processes that `torchrun` started, or gives a world of this process alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Optimizers load it at their first step. Loaded with a group at hand it would keep that for good, and the group's
    # threads, alive when the interpreter ends, now and then abort the process.
    importlib.import_module("torch._dynamo")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        gc.collect()
        dist.destroy_process_group()
