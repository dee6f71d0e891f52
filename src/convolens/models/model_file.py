"""The one file a trained model is kept in: `.safetensors`, its facts in the header, no pickle anywhere.

Tensors are stored under the model's own state-dict keys. The header's metadata holds one JSON text for each fact: the
task, the trunk and how it was built, taps, class names, preprocessing, metrics. Reading trusts nothing: sizes come from
the file, not from the header, and every fact is checked by the task that uses it.

The tensor format is described at https://huggingface.co/docs/safetensors (an 8-byte length, a JSON header, raw data).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from convolens.errors import ArgumentError, ConvolensError, FileError, ShapeError, WeightsError
from convolens.media.files import AnyPath, as_path, need_file, writing
from convolens.media.inputs import also_given
from convolens.media.result_folders import BEST
from convolens.models.int8_facts import read_int8_facts
from convolens.trunks import TRUNKS, Preprocessing, Trunk
from convolens.trunks.weights.strict import load_strictly
from convolens.trunks.weights.tensor_file import read_tensor_file, write_tensor_file

FORMAT = "convolens model"
RESUMED = "convolens"  # the fact that a training's `last.ckpt` has, in place of a model's
VERSION = 1
# What torch.save writes (a zip with a pickle in it) and what a bare pickle of protocol 2 or later starts with.
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

Kind = TypeVar("Kind")
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds: facts from its header, tensors by their state-dict keys."""

    path: Path
    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def fact(self, name: str, kind: type[Kind]) -> Kind:
        """One fact of the header, of the kind it must have.

        Raises:
            WeightsError: it is missing, or something else is there.
        """
        value = self.facts.get(name)
        if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
            raise WeightsError(f"{self.path}: need {name!r} in its header as a {kind.__name__}, got {value!r:.80}")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A fact that is a list of texts, such as the class names. Errors as in `fact`."""
        value = self.fact(name, list)
        if not all(isinstance(word, str) for word in value):
            raise WeightsError(f"{self.path}: need {name!r} in its header as a list of texts, got {value!r:.80}")
        return tuple(value)

    def trunk(self) -> Trunk:
        """The trunk that the header describes, with its preprocessing and without its tensors.

        Raises:
            WeightsError: no such trunk, or one that cannot be built.
        """
        described = self.fact("trunk", dict)
        name, options = described.get("name"), described.get("options")
        if not isinstance(name, str) or name not in TRUNKS or not isinstance(options, dict):
            raise WeightsError(
                f"{self.path}: need a trunk of {', '.join(TRUNKS)} with its options, got {described!r:.80}"
            )
        try:
            trunk = TRUNKS[name](**options)
            trunk.preprocessing = Preprocessing.from_dict(self.fact("preprocessing", dict), options["channels"])
        except (ConvolensError, TypeError, ValueError, LookupError, RuntimeError, OverflowError) as error:
            raise WeightsError(f"{self.path}: its header describes a trunk that cannot be built: {error}") from error
        trunk.weights = described.get("weights")
        if not isinstance(trunk.weights, str | None):
            raise WeightsError(f"{self.path}: need the trunk's weights by a name, got {trunk.weights!r:.80}")
        return trunk

    def build(self, make: Callable[[Trunk], Model]) -> Model:
        """The model that `make` builds on the file's trunk, with the file's tensors, in evaluation mode.

        Raises:
            WeightsError: it cannot be built as the header describes it, or the tensors are not its own.
        """
        with torch.device("meta"):  # a header may claim any size: nothing is allocated before the tensors are there
            trunk = self.trunk()
            try:
                model = make(trunk)
            except (ArgumentError, ShapeError, RuntimeError, TypeError, OverflowError) as error:
                task = self.facts.get("task")
                raise WeightsError(
                    f"{self.path}: its header describes a {task} model that cannot be built: {error}"
                ) from error
        load_strictly(model, self.tensors, self.path)
        read_int8_facts(model, self.facts.get("int8"), self.path)
        return model.eval()


def write_model_file(path: AnyPath, model: nn.Module, facts: Mapping[str, Any]) -> None:
    """Writes the model's state and facts (plain data that JSON can hold) to one file, whole or not at all.

    Raises:
        WeightsError: the name does not end in `.safetensors`.
        FileError: it cannot be written.
    """
    target = as_path(path, "a model file to write")
    if target.suffix != ".safetensors":
        raise WeightsError(f"{target}: need a name that ends in .safetensors, got {target.suffix or 'no suffix'}")
    stated = {"format": FORMAT, "version": VERSION, **facts}
    texts = {name: json.dumps(fact) for name, fact in stated.items()}
    with writing(target) as draft:
        write_tensor_file(draft, model.state_dict(), texts)


def trunk_facts(trunk: Trunk) -> dict[str, Any]:
    """What a header says of a trunk, so that `ModelFile.trunk` can build it again."""
    return {
        "trunk": {"name": trunk.name, "options": trunk.options, "weights": trunk.weights},
        "preprocessing": trunk.preprocessing.to_dict(),
    }


def model_path(path: AnyPath) -> Path:
    """The file that is meant: a model file, or the best model of a run folder.

    Raises:
        ArgumentError: no path.
    """
    if not isinstance(path, str | PathLike):
        raise ArgumentError(f"path: need where a model is, got {path!r:.80}")
    file = Path(path)
    try:
        return file / BEST if file.is_dir() else file
    except OSError:  # a name that is longer than names can be, a folder that is not to be looked into: said when read
        return file


def read_model_file(path: AnyPath) -> ModelFile:
    """Reads a model file's facts and tensors. Nothing in the file is run.

    Args:
        path: a model file, or a run folder that training left, for its best model.

    Raises:
        FileError: nothing is there.
        WeightsError: a pickle, a damaged file, a header that lies about its tensors, plain weights without facts, or a
            file of a later version.
    """
    file = model_path(path)
    if file.suffix.lower() == ".onnx":
        raise WeightsError(f"{file}: need a model in torch (.safetensors), got an exported one, which only predicts")
    if file != Path(path) and not file.exists():
        raise FileError(f"{path}: need a model or the folder of a run, found no {BEST} there")
    _refuse_pickle(need_file(file, "a model"))
    texts, tensors = read_tensor_file(file, "a model file (.safetensors)")
    also_given([file])  # in a run folder, of which only the name was given
    return ModelFile(file, _facts(file, texts), tensors)


def is_model_file(path: AnyPath) -> bool:
    """Whether a file states that it is a model that Convolens saved."""
    try:
        if Path(path).suffix != ".safetensors" or not Path(path).is_file():
            return False
        with safe_open(path, framework="pt") as stored:
            return (stored.metadata() or {}).get("format") == json.dumps(FORMAT)
    except (SafetensorError, OSError, ValueError):
        return False


def _refuse_pickle(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(9)
    # A header whose length happens to look like a pickle's start is followed by JSON.
    if start.startswith(_PICKLES) and start[8:] != b"{":
        raise WeightsError(
            f"{file}: need a model file (.safetensors), got a pickle, which could run code and is not opened; "
            "a .pth of weights is for training to start from"
        )


def _facts(file: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if RESUMED in metadata:
        raise WeightsError(
            f"{file}: need a model, got the state that an unfinished training is resumed from; its best model so far "
            f"is {file.parent / BEST}"
        )
    if metadata.get("format") != json.dumps(FORMAT):
        raise WeightsError(
            f"{file}: need a model that Convolens saved, got a .safetensors file without its facts; "
            "plain weights are for training to start from"
        )
    try:
        facts = {name: json.loads(text) for name, text in metadata.items()}
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{file}: the facts in its header are not JSON: {error}") from error
    version = facts.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise WeightsError(
            f"{file}: need model version {VERSION} or earlier, got {version!r}; a newer Convolens may read it"
        )
    return facts
