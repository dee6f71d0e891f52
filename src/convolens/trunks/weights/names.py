"""Other packages' names of tensors as torchvision's: timm's VGG, MMPretrain's head, transformers' ResNet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

State = dict[str, Tensor]

# In transformers a stage's block is `layer.0` … with a `shortcut`, and each of these a convolution and its norm.
_PLACE = re.compile(
    r"^(?P<before>.*?)(?:resnet\.)?(?:embedder\.embedder"
    r"|encoder\.stages\.(?P<stage>\d+)\.layers\.(?P<block>\d+)\.(?:layer\.(?P<layer>\d+)|shortcut))"
    r"\.(?P<kind>convolution|normalization)\.(?P<rest>\w+)$"
)
_HEAD = re.compile(r"^(.*?)classifier\.1\.(weight|bias)$")


def from_transformers(state: Mapping[str, Tensor]) -> State:
    """Transformers' ResNets under torchvision's names, whatever stands before them; all else as it is.

    >>> list(from_transformers({"resnet.embedder.embedder.convolution.weight": 0, "classifier.1.bias": 1}))
    ['conv1.weight', 'fc.bias']
    """
    if not any("embedder.embedder.convolution" in key for key in state):
        return dict(state)
    return {_HEAD.sub(r"\1fc.\2", _PLACE.sub(_torchvisions, key)): value for key, value in state.items()}


def _torchvisions(found: re.Match[str]) -> str:
    is_norm = found["kind"] == "normalization"
    if found["stage"] is None:
        return f"{found['before']}{'bn1' if is_norm else 'conv1'}.{found['rest']}"
    block = f"{found['before']}layer{int(found['stage']) + 1}.{found['block']}"
    if found["layer"] is None:
        return f"{block}.downsample.{int(is_norm)}.{found['rest']}"
    return f"{block}.{'bn' if is_norm else 'conv'}{int(found['layer']) + 1}.{found['rest']}"


def from_mmpretrain(state: Mapping[str, Tensor]) -> State:
    """MMPretrain's classifiers, whose dense layer lies beside the backbone, with it as the backbone's `fc`."""
    if "backbone.layer1.0.conv1.weight" not in state or "head.fc.weight" not in state:
        return dict(state)
    return {key.replace("head.fc.", "backbone.fc.") if key.startswith("head.fc.") else key: value
            for key, value in state.items()}  # fmt: skip


def from_timm(state: Mapping[str, Tensor]) -> State:
    """Timm's VGG keeps its dense layers as convolutions, under names of its own; its ResNets have torchvision's."""
    if "pre_logits.fc1.weight" not in state:
        return dict(state)
    names = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    found = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        dense = layer in names and kind == "weight"
        found[f"{names.get(layer, layer)}.{kind}"] = value.flatten(1) if dense and value.ndim > 1 else value
    return found
