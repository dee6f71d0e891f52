"""Somebody's weights as one file of our own, which says how its network is built and what it expects of a picture."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from convolens.media.files import AnyPath
from convolens.media.inputs import reads
from convolens.models.classify import classifier
from convolens.models.model_file import write_model_file
from convolens.trunks.registry import trunk as make_trunk
from convolens.trunks.weights.checkpoint import read_checkpoint


@reads("source")
def import_weights(source: AnyPath, target: AnyPath, trunk: str) -> str:
    """Checks a weights file against the named network and writes it as a `.safetensors` file.

    With a classifier in it, the result is a model that `convolens.load` and `convolens predict` take; a trunk alone
    serves as `weights=`.

    Returns:
        What was written, in a sentence.

    Raises:
        WeightsError: the file cannot be read, does not fit, or the target's suffix is another.
        FileError: the target cannot be written, or is the source.
    """
    body = make_trunk(trunk, weights=source, device="cpu")
    if any(key in read_checkpoint(Path(source)).state for key in body.original_head(1).state_dict()):
        model = classifier(trunk, weights=source, head="original", device="cpu")
        model.save(target)
        return f"{target}: {trunk} with a classifier of {len(model.class_names)} classes"
    facts = {
        "task": "trunk",
        "trunk": {"name": trunk, "options": body.options, "weights": body.weights},
        "preprocessing": body.preprocessing.to_dict(),
    }
    write_model_file(target, nn.ModuleDict({"trunk": body}), facts)
    return f"{target}: {trunk} without a classifier"
