"""Models: a trunk with a small head on its taps, for a task: what is in a picture, and where.

`TASKS` lists them: a new one is one file and its line here. They never import one another; what they share is in
`trunk_model.py` (what each of them is), `model_file.py` (the file that it is kept in), `inputs.py` (what they are
given), `tap_scores.py` (what of them is explained) and `heads.py`.
"""

from __future__ import annotations

from convolens.errors import WeightsError
from convolens.torch_loading import need_networks

need_networks()

from convolens.media.files import AnyPath
from convolens.media.result_folders import BEST
from convolens.models.classify import Classifier
from convolens.models.detect import Detector
from convolens.models.localize import Localizer
from convolens.models.model_file import read_model_file
from convolens.models.unusual import Inspector
from convolens.sources import as_address
from convolens.sources.copies import brought_here
from convolens.trunks.options import pick_device

__all__ = ["TASKS", "Classifier", "Detector", "Inspector", "Localizer", "Model", "load"]

Model = Classifier | Localizer | Detector | Inspector  # told apart by `task`, by checkers too

TASKS: dict[str, type[Model]] = {task.task: task for task in (Classifier, Localizer, Detector, Inspector)}


def load(path: AnyPath, *, device: str = "auto") -> Model:
    """A trained model from its `.safetensors` file or run folder; the rest as in `convolens.load`.

    Raises:
        FileError: nothing is there.
        WeightsError: not a model, damaged, or of a task that this version does not know.
        DeviceError: the device is not there.
    """
    if as_address(path):
        with brought_here(path, "a model", in_folder=BEST) as file_here:
            return load(file_here, device=device)
    where = pick_device(device)
    file = read_model_file(path)
    task = file.fact("task", str)
    if task not in TASKS:
        raise WeightsError(f"{file.path}: need a model for {', '.join(TASKS)}, got one for {task!r}")
    return TASKS[task].from_file(file).to(where)
