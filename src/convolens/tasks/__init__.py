"""Tasks: small heads and losses on taps of a trunk. What is in a picture, and why the network says so.

`TASKS` lists those that are kept in model files: a new one is one file and its line here. Tasks never import one
another; what they share is in `model_file.py` (the file), `pictures.py` (what they are given) and `heads.py`.
"""

from __future__ import annotations

from typing import Any

from convolens.errors import WeightsError, need_networks

need_networks()

from convolens.media.files import AnyPath  # noqa: E402 - only with torch there
from convolens.tasks.classify import Classifier  # noqa: E402
from convolens.tasks.detect import Detector  # noqa: E402
from convolens.tasks.localize import Localizer  # noqa: E402
from convolens.tasks.model_file import read_model_file  # noqa: E402
from convolens.trunks.options import pick_device  # noqa: E402

TASKS = {task.task: task for task in (Classifier, Localizer, Detector)}


def load(path: AnyPath, *, device: str = "auto") -> Any:
    """A trained model from its file, ready to use: a `Classifier`, a `Localizer`, …. Nothing in the file is run.

    Args:
        path: a `.safetensors` file that `save` or training wrote.
        device: where it shall run: `auto` (the GPU where there is one), `cpu`, `cuda`, …

    Raises:
        FileError: nothing is there.
        WeightsError: not a model, damaged, or of a task that this version does not know.
        DeviceError: the device is not there.
    """
    where = pick_device(device)
    file = read_model_file(path)
    task = file.fact("task", str)
    if task not in TASKS:
        raise WeightsError(f"{file.path}: need a model for {', '.join(TASKS)}, got one for {task!r}")
    return TASKS[task].from_file(file).to(where)
