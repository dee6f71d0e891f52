"""Reads an HDF5 file for `hdf5.py`, in a process of its own: run by its path, and never imported.

It is given the file's path and the budget of memory in bytes.

libhdf5 can loop for ever or take any memory on a file that is made or damaged so, and no thread can be stopped. A
process can; this one also limits its own memory and processor time. It needs nothing of Convolens, so that it starts at
once. It speaks over its standard streams:

1. It writes one line of JSON: `{"groups": {path: names of weights}, "arrays": {path: [shape, whole]}}`, or
   `{"error": sentence}`.
2. For each line it reads, a number of an array in that order, it writes the array's numbers as float32.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from typing import Any

import h5py
import numpy as np

MEMORY_BYTES = 3 << 30  # of addresses; VGG19's largest array takes half a GB
LIBRARY_BYTES = 1 << 30  # of addresses that Python and the libraries take, whatever the budget
SECONDS = 4  # of processor time: reading 55 MB takes 0.2 …
BYTES_A_SECOND = 50_000_000  # … and more for files that are larger, or packed
MAX_OBJECTS = 20_000  # ResNet152 has 2,000
MAX_NAMES = 64  # weights of one layer
MAX_PACKING = 1100  # zlib packs 1032 to one at best
SMALL_CHUNK = 1 << 20  # a chunk may be larger than a small array; it is unpacked as a whole
# Optimizers' state in a whole saved model is up to twice the weights, and not wanted.
_NOT_WANTED = ("optimizer_weights", "optimizer")


class Refused(Exception):  # noqa: N818 - it ends in a sentence, not in a traceback
    """What this file must not have, in words."""


def limit(path: str, budget: int) -> None:
    """Limits what this process may take; where the system has no such limits, only the parent's clock remains."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        seconds = SECONDS + os.stat(path).st_size // BYTES_A_SECOND  # noqa: PTH116 - no more imports than needed
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        addresses = min(MEMORY_BYTES, budget + LIBRARY_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def listing(file: Any) -> tuple[dict[str, Any], list[Any]]:
    """All groups and arrays below the root, and the arrays' handles. Every link must be to what is in the file."""
    groups: dict[str, list[str]] = {}
    arrays: dict[str, Any] = {}
    handles = []
    waiting, seen = [("", file)], 0
    while waiting:
        path, group = waiting.pop()
        groups[path] = weight_names(group)
        for name in group:
            seen += 1
            inner = f"{path}/{name}"
            if seen > MAX_OBJECTS:
                raise Refused(f"need at most {MAX_OBJECTS:,} groups and arrays, got more")
            if not path and name in _NOT_WANTED:
                continue
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"{inner}: need what is in the file itself, got a link to elsewhere; not followed")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((inner, item))
            elif isinstance(item, h5py.Dataset):
                arrays[inner] = described(inner, item)
                handles.append(item)
    return {"groups": groups, "arrays": arrays}, handles


def weight_names(group: Any) -> list[str]:
    """The names of a layer's arrays in Keras's order, which Keras 2 keeps in an attribute."""
    if "weight_names" not in group.attrs:
        return []
    names = np.asarray(group.attrs["weight_names"]).reshape(-1)
    if names.size > MAX_NAMES:
        raise Refused(f"{group.name}: need at most {MAX_NAMES} names of weights, got {names.size:,}")
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]


def described(path: str, array: Any) -> list[Any]:
    """An array's shape (none where it has no floats), and whether the file has all of its numbers."""
    if array.external or array.is_virtual:
        raise Refused(f"{path}: need numbers in the file itself, got some in other files; not read")
    if array.dtype.kind != "f" or array.shape is None:
        return [None, False]
    return [[int(side) for side in array.shape], is_whole(array)]


def is_whole(array: Any) -> bool:
    """Whether the file holds as much as the shape says; what it lacks would be read as zeros."""
    need, held = math.prod(array.shape) * array.dtype.itemsize, array.id.get_storage_size()
    if array.chunks is None:
        return bool(need <= held)
    chunks = math.prod(-(-side // chunk) for side, chunk in zip(array.shape, array.chunks, strict=True))
    packing = MAX_PACKING if array.id.get_create_plist().get_nfilters() else 1
    small = math.prod(array.chunks) * array.dtype.itemsize <= 2 * need + SMALL_CHUNK
    return bool(small and need <= held * packing and array.id.get_num_chunks() >= chunks)


def main() -> None:
    """Answers on stdout. Ends when its parent closes stdin."""
    limit(sys.argv[1], int(sys.argv[2]))
    out = sys.stdout.buffer
    try:
        with h5py.File(sys.argv[1], "r") as file:
            content, handles = listing(file)
            out.write(json.dumps(content).encode() + b"\n")
            out.flush()
            for line in sys.stdin:
                out.write(np.ascontiguousarray(handles[int(line)], dtype="<f4").data)
                out.flush()
    except BrokenPipeError:
        pass
    except Refused as refused:
        out.write(json.dumps({"error": str(refused)}).encode() + b"\n")
    except BaseException as error:  # h5py raises all kinds on a damaged file
        told = " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(told[:500])
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
