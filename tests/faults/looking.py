"""What a command left behind: whether each file is whole, what should not be there, whether all is as it should be."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from convolens.labels.mending import RECORDS

GROWING = ("log.jsonl", "predictions.part.jsonl")  # lines are added as the work goes on


def half_written(folder: Path) -> list[str]:
    """Sentences on files that are not whole, by their own formats; drafts have names that say what they are."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            try:
                _read(path)
            except Exception as error:  # whatever a decoder raises
                found.append(f"{path.relative_to(folder)} is not whole: {error!r:.100}")
    return found


def leftovers(work: Path) -> list[str]:
    """Names of what no finished command leaves: what is hidden, growing or temporary."""
    out, tmp = work / "out", work / "tmp"
    found = [path for path in out.rglob("*") if path.name.startswith(".") or path.name == "predictions.part.jsonl"]
    found = [path for path in found if path.name not in RECORDS]
    found += [path for path in tmp.rglob("*") if not path.name.startswith("torchinductor_")]  # torch's, and empty
    return [str(path.relative_to(work)) for path in sorted(found)]


def untouched(folder: Path) -> dict[str, str]:
    """Every file by what changes when it is written to."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): f"{path.stat().st_size} {path.stat().st_mtime_ns}" for path in files}


def snapshot(folder: Path) -> dict[str, str]:
    """Every file by a hash of what must be the same in any run; what differs by nature is taken out first."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _digest(path) for path in files if path.name != "log.jsonl"}


def difference(found: dict[str, str], expected: dict[str, str]) -> str:
    """Names of files that differ, or are there in one alone."""
    names = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    return ", ".join(sorted(names))


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix in (".safetensors", ".ckpt"):
        data = _without_times(*_tensors(data))
    elif path.name == "index.html":  # the tour's
        data = re.sub(rb"[\d.]+ (s|seconds)\b", b"", data)
    return hashlib.sha256(data).hexdigest()[:16]


def _tensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the numbers of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    end = max((one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"), default=0)
    if end != len(numbers):
        raise ValueError(f"{len(numbers)} bytes of {end}")
    return header, numbers


def _without_times(header: dict[str, Any], numbers: bytes) -> bytes:
    """A model file's facts come in any order; a checkpoint says how many seconds it has taken."""
    texts = header.get("__metadata__", {})
    if "convolens" in texts:
        known = json.loads(texts["convolens"])
        known.get("place", {}).pop("seconds", None)
        texts["convolens"] = json.dumps(known, sort_keys=True)
    return json.dumps(header, sort_keys=True).encode() + numbers


def _read(path: Path) -> None:
    data = path.read_bytes()
    match path.suffix:
        case ".safetensors" | ".ckpt":
            _tensors(data)
        case ".png" | ".jpg" | ".tif":
            from PIL import Image

            Image.open(io.BytesIO(data)).load()
        case ".wav" | ".flac":
            import soundfile

            with soundfile.SoundFile(io.BytesIO(data)) as sound:
                if len(sound.read()) != sound.frames or not sound.frames:
                    raise ValueError("cut short")
        case ".json":
            json.loads(data)
        case ".jsonl":
            lines = data.split(b"\n")
            for line in lines[:-1]:
                json.loads(line)
            if lines[-1] and path.name not in GROWING:
                raise ValueError("cut short")
        case ".html":
            if not data.rstrip().endswith(b"</html>"):
                raise ValueError("cut short")
        case ".parquet":
            if not data.startswith(b"PAR1") or data[-4:] != b"PAR1":
                raise ValueError("cut short")
        case ".onnx":
            from convolens.exported.session import open_session

            open_session(data, path, "cpu")
        case ".npy":
            np.load(io.BytesIO(data))
        case ".csv":
            if not data.endswith(b"\n") or len({len(row) for row in csv.reader(data.decode().splitlines())}) != 1:
                raise ValueError("cut short")
        case ".txt" | ".yaml":
            if data and not data.endswith(b"\n"):
                raise ValueError("cut short")
        case _:
            raise ValueError("a kind of file that is not looked at")
