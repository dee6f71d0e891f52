"""Arrays of floats in an HDF5 file, read by a process of its own, which is ended when it takes too long.

libhdf5 can loop for ever on a file that is made or damaged so, allocate whatever a header claims, and read other files
that it is told to. `hdf5_child.py` reads; here its words are taken, and sizes are checked before a number is read.
Costs about 0.3 s for the process.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any

import torch
from torch import Tensor

from convolens.errors import WeightsError, need_package
from convolens.memory import need_memory
from convolens.settings import memory_limit

# Of everything; its own limit of processor time ends one that loops sooner, where the system has such limits. On a
# machine that thirty processes share, a sound file of 55 MB was once not read in 60.
SECONDS = 300.0
# VGG19 has 144 million numbers; a file may hold another network beside it.
MAX_NUMBERS = 400_000_000
_CHILD = Path(__file__).with_name("hdf5_child.py")


class Hdf5:
    """An open file.

    Attributes:
        path: where it is.
        groups: names of weights that each group states, by the groups' paths (`/layers/conv2d`; the root's is empty).
        shapes: of the arrays, by their paths; only those of floats.
    """

    def __init__(self, path: Path, child: subprocess.Popen[bytes], content: Mapping[str, Any]) -> None:
        self.path, self._child = path, child
        self.groups: dict[str, list[str]] = dict(content["groups"])
        self._numbers = {name: number for number, name in enumerate(content["arrays"])}
        self._inner: dict[str, list[str]] = {}
        for name in (*list(self.groups)[1:], *self._numbers):
            group, _, last = name.rpartition("/")
            self._inner.setdefault(group, []).append(last)
        self.shapes = {name: tuple(shape) for name, (shape, _) in content["arrays"].items() if shape is not None}
        total = 0
        for name, shape in self.shapes.items():
            total += math.prod(shape)
            if total > MAX_NUMBERS:
                raise WeightsError(f"{path}: {name}: need floats of a network's size, got the shape {shape}")
            if not content["arrays"][name][1]:
                raise WeightsError(f"{path}: {name}: need {math.prod(shape):,} numbers, got fewer")
        need_memory(4 * total, path)

    def children(self, group: str) -> list[str]:
        """The names directly below a group, of groups and arrays."""
        return self._inner.get(group, [])

    def read(self, array: str) -> Tensor:
        """An array's numbers, as float32.

        Raises:
            WeightsError: there are no floats of that name, or they cannot be read.
        """
        if array not in self.shapes:
            raise WeightsError(f"{self.path}: {array}: need floats of a network's size, got none")
        tensor = torch.empty(self.shapes[array], dtype=torch.float32, device="cpu")
        into: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{self._numbers[array]}\n".encode())
        self._child.stdin.flush()
        if self._child.stdout.readinto(into) != into.size:  # type: ignore[attr-defined]
            raise EOFError
        return tensor


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5]:
    """The file, open for as long as this lasts.

    Raises:
        WeightsError: it is no HDF5 file, damaged, takes too long, claims more than it holds, or leads to other files.
        MissingExtraError: h5py is not installed.
        MemoryRefused: it holds more than the budget of memory.
    """
    if find_spec("h5py") is None:
        raise need_package("h5py", "networks", str(path))
    # -P: modules are looked up where packages are, not beside the script.
    command = [sys.executable, "-P", str(_CHILD), str(path), str(memory_limit())]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **threads}
    )
    clock = Timer(SECONDS, child.kill)
    clock.start()
    try:
        yield Hdf5(path, child, _content(path, child))
    except (EOFError, OSError) as error:  # its end of the pipes is closed: it has ended
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: {_why(child)}") from error
    finally:
        clock.cancel()
        child.kill()
        child.communicate()


def _content(path: Path, child: subprocess.Popen[bytes]) -> Mapping[str, Any]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise EOFError
    content: dict[str, Any] = json.loads(line)
    if "error" in content:
        raise WeightsError(f"{path}: {content['error']}")
    return content


def _why(child: subprocess.Popen[bytes]) -> str:
    """Why the child ended, in words."""
    told = child.stderr.read().decode(errors="replace").strip() if child.stderr else ""
    if child.wait() < 0:  # by a signal: our clock's, or that of its own limits
        return "need an HDF5 file that is read in seconds, got one that takes far more; it is damaged or made to"
    return f"need an HDF5 file, got something else or a damaged one ({told or 'nothing was told'})"
