"""timm's weights on the Hugging Face hub, by their names there: `timm/resnet50.a1_in1k`.

The hub's own package downloads, resumes and caches; `model.safetensors` holds the tensors, `config.json` what they
expect of a picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from convolens.errors import WeightsError, need_package
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.weights.checkpoint import Checkpoint, read_checkpoint
from convolens.trunks.weights.table import imagenet_classes

ORGANIZATION = "timm/"


def is_hub_name(name: str) -> bool:
    """Whether it names a model of timm's on the hub."""
    return name.startswith(ORGANIZATION) and name.count("/") == 1


def read_hub(name: str) -> Checkpoint:
    """The model's tensors and preprocessing.

    Raises:
        MissingExtraError: huggingface-hub is not installed.
        WeightsError: no such model, no connection, or not the kind of file we know.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as missing:
        raise need_package("huggingface-hub", "hub", f"weights {name}") from missing
    try:
        tensors, config = (Path(hf_hub_download(name, file)) for file in ("model.safetensors", "config.json"))
    except (OSError, ValueError) as error:  # all errors of the hub are among these
        raise WeightsError(
            f"{name}: cannot be had from the hub ({_first_line(error)}); download its model.safetensors elsewhere "
            "and give that path"
        ) from error
    described = _pretrained(config)
    classes = imagenet_classes() if described.get("num_classes") == len(imagenet_classes()) else ()
    return Checkpoint(name, read_checkpoint(tensors).state, _preprocessing(described, config), {}, classes)


def _pretrained(config: Path) -> dict[str, Any]:
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        return dict(content.get("pretrained_cfg") or content)
    except (ValueError, AttributeError, TypeError) as error:
        raise WeightsError(f"{config}: need timm's description of a model as JSON, got something else") from error


def _preprocessing(described: dict[str, Any], config: Path) -> Preprocessing:
    """Timm resizes to the crop's side over `crop_pct`, then cuts the centre."""
    try:
        side = int(described["input_size"][-1])
        return Preprocessing(
            mean=tuple(float(value) for value in described["mean"]),
            deviation=tuple(float(value) for value in described["std"]),
            resize=int(side / float(described["crop_pct"])),
            crop=side,
            interpolation="bicubic" if described.get("interpolation") == "bicubic" else "bilinear",
        )
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(f"{config}: need input_size, mean, std and crop_pct, got {sorted(described)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
