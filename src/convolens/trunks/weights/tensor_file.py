"""Files of tensors and a few texts (`.safetensors`), read into memory of their own and written the same each time.

safetensors' reader maps a file into memory: a tensor then changes with the file, and a file that is cut short ends the
process. So only the header is read by it; the numbers are copied out of the file, once. Its writer puts the texts of
the header in an order that differs from run to run; here they are sorted.

The format: https://huggingface.co/docs/safetensors (an 8-byte length, a JSON header, raw data without gaps).
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from convolens.errors import WeightsError
from convolens.media.files import need_file
from convolens.memory import need_memory

_LENGTH_BYTES = 8


def read_tensor_file(path: Path, what: str = "a safetensors file") -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts of the header and the tensors, by name; the file may change or vanish afterwards.

    Args:
        path: where it is.
        what: what it should be, for the message.

    Raises:
        FileError: nothing is there, or it cannot be looked at.
        WeightsError: it cannot be read, is damaged, of another format, or its header lies about its tensors.
        MemoryRefused: it holds more than the budget of memory.
    """
    need_memory(need_file(path, what).stat().st_size, path)
    try:
        with path.open("rb") as stream, safe_open(path, framework="pt") as mapped:
            stream.seek(_LENGTH_BYTES + int.from_bytes(stream.read(_LENGTH_BYTES), "little"))
            # A mapped tensor tells shape and dtype; its numbers are never looked at.
            tensors = {name: _copied(stream, mapped.get_tensor(name)) for name in mapped.offset_keys()}
            return dict(mapped.metadata() or {}), tensors
    except Exception as error:  # what is raised depends on where the damage is: safetensors' own, torch's, the system's
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{path}: need {what}, got a damaged one or something else ({reason})") from error


def write_tensor_file(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Writes tensors (on any device, of any layout) and texts; the same ones give the same bytes.

    Args:
        path: of a file that exists, as `writing` makes it; it keeps its permissions.
        tensors: by their names.
        texts: for the header, by their names.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    mode = path.stat().st_mode
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path, dict(texts))
    except SafetensorError as error:  # how it reports what the file system said, such as that the disk is full
        said = re.search(r"os error (\d+)", str(error))
        raise OSError(int(said[1]), os.strerror(int(said[1]))) if said else OSError(str(error)) from error
    _sort_texts(path)
    path.chmod(mode)  # safetensors lets only the owner read what it writes


def _copied(stream: io.BufferedReader, mapped: Tensor) -> Tensor:
    tensor = torch.empty(mapped.shape, dtype=mapped.dtype, device="cpu")
    into: Any = tensor.reshape(-1).view(torch.uint8).numpy()
    if stream.readinto(into) != into.size:
        raise EOFError("it was cut short while it was read")
    return tensor


def _sort_texts(path: Path) -> None:
    """Rewrites the header in place: the same texts in another order have the same length."""
    with path.open("r+b") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise OSError(f"need a header of {length} bytes, got {len(text)}")
        stream.seek(_LENGTH_BYTES)
        stream.write(text.ljust(length))
