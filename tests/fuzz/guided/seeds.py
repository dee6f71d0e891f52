"""Small whole files for each target, from which the fuzzer goes on."""

from __future__ import annotations

import argparse
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np
import soundfile
import torch
from PIL import Image
from safetensors.torch import save

from tests.fuzz.guided import targets

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def _saved(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def _sound(kind: str, subtype: str | None = None) -> bytes:
    return _saved(lambda to: soundfile.write(to, np.zeros((40, 2), np.float32), 8000, subtype, format=kind))


def _state(zipped: bool) -> bytes:
    content = {"state_dict": OrderedDict(a=torch.zeros(2)), "args": argparse.Namespace(lr=0.1)}
    return _saved(lambda to: torch.save(content, to, _use_new_zipfile_serialization=zipped))


def seeds() -> Iterator[tuple[Callable[[bytes], None], bytes]]:
    """A target and what it reads."""
    for kind in ("WAV", "AIFF", "AU", "CAF", "W64", "RF64"):
        yield targets.sound, _sound(kind)
    for number, kind in enumerate(("AIFF", "FLAC", "MP3", "OGG", "WAV")):  # in the order of their names
        yield targets.parts, bytes([number]) + _sound(kind)
        if kind in ("MP3", "OGG"):
            yield targets.stream, _sound(kind)
    picture = Image.fromarray(PIXELS)
    for kind in ("PNG", "TIFF"):
        yield targets.picture, _saved(lambda to, kind=kind: picture.save(to, kind))  # type: ignore[misc]
    yield targets.picture, imagecodecs.png_encode(PIXELS.astype(np.uint16))
    yield targets.picture, imagecodecs.jpegxl_encode(PIXELS)
    yield targets.tensors, save({"a": torch.zeros(2)}, {"task": "classify"})
    yield targets.pickled, _state(zipped=True)
    yield targets.pickled, _state(zipped=False)
    yield targets.shards, json.dumps({"metadata": {}, "weight_map": {"a": "input.safetensors"}}).encode()
    yield targets.kernel, _saved(lambda to: np.save(to, np.ones((2, 2))))
    yield targets.kernel, b"1, 2 # a\n3 4\n"
    yield targets.description, b"\0names:\n  0: cat\n  1: dog\ntrain: a\n"
    yield targets.description, b'\1{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}'
    yield targets.description, b"\2<annotation><object><name>a</name></object></annotation>"
