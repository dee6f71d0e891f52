"""What an interrupted run of `predict` or `stylize` left, and is resumed from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from convolens.inference.predict import fingerprint, predict_files
from convolens.inference.stylize import _load_state, _state_path
from convolens.media.images import write_image
from convolens.trunks.weights.tensor_file import write_tensor_file
from tests.fuzz.form import Format
from tests.fuzz.networks import PICTURE, change_facts
from tests.fuzz.trees import change_header, change_json, change_lines_of_json


@dataclass(frozen=True)
class Guess:
    """What is predicted."""

    label: str


class Guesser(torch.nn.Module):
    """Predicts the same for every picture, at no cost."""

    task = "classify"

    def predict(self, images: list[Any], batch: int = 1) -> list[Any]:
        """A guess for each."""
        return [Guess("cat") for _ in images]


def stage(folder: Path) -> None:
    """Two pictures."""
    (folder / "in").mkdir()
    for name in ("a.png", "b.png"):
        write_image(folder / "in" / name, PICTURE[:8, :8])


def put_lines(folder: Path, data: bytes) -> Path:
    """A folder of predictions that holds these lines."""
    out = folder / "out"
    rmtree(out, ignore_errors=True)
    out.mkdir()
    (out / "predictions.part.jsonl").write_bytes(data.replace(b"FOLDER", bytes(folder)))
    return out


def put_manifest(folder: Path, data: bytes) -> Path:
    """The same, with this description of them."""
    out = put_lines(folder, line_seeds()[0])
    (out / "model.json").write_bytes(data)
    return out


def read(out: Path) -> None:
    """Resumes; afterwards each line is JSON with a path, and both pictures have one."""
    predict_files(Guesser(), [out.parent / "in"], out, pictures=False, progress=False)
    paths = [json.loads(line)["path"] for line in (out / "predictions.jsonl").read_bytes().splitlines()]
    assert all(isinstance(path, str) for path in paths), paths
    missing = {str(out.parent / "in" / name) for name in ("a.png", "b.png")} - set(paths)
    assert not missing, missing


@cache
def line_seeds() -> list[bytes]:
    """Of one picture that is done, of two of which one failed, and one cut off."""
    done = b'{"path": "FOLDER/in/a.png", "label": "cat"}\n'
    return [done, done + b'{"path": "FOLDER/in/b.png", "error": "damaged"}\n', done + b'{"path": "FOLDER/in/b.p']


def manifest_seeds() -> list[bytes]:
    """The description of what the predictions are of."""
    return [json.dumps({"task": "classify", "model": fingerprint(Guesser()), "options": {}}).encode()]


KEY = json.dumps(["a.png", ["b.png"], {"steps": 3}])


@cache
def state_seeds() -> list[bytes]:
    """The state of a picture that is being restyled."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        path.touch()
        write_tensor_file(path, {"picture": torch.rand(8, 8, 3)}, {"scale": "0", "step": "2", "run": KEY})
        return [path.read_bytes()]


def put_state(folder: Path, data: bytes) -> Path:
    """The state of the picture `a.png` there."""
    _state_path(folder / "a.png").write_bytes(data)
    return folder / "a.png"


def read_state(path: Path) -> None:
    """Reads a state; the picture in it is numbers."""
    state = _load_state(path, KEY)
    assert np.isfinite(np.asarray(state.picture, np.float64)).all(), state.picture


FORMATS = {
    "predictions": Format("a.jsonl", line_seeds, change_lines_of_json, read, stage, put_lines),
    "predictions' model": Format("model.json", manifest_seeds, change_json, read, stage, put_manifest),
    "restyling": Format("a.safetensors", state_seeds, change_header(change_facts), read_state, place=put_state),
}
