"""The one loop that every task is trained by: from a `TrainingTask` (what) and `Settings` (how) to a run folder."""

from convolens.errors import need_networks

need_networks()

from convolens.training.loop import fit
from convolens.training.settings import Settings, TrainingOptions
from convolens.training.task import Batch, TrainingTask

__all__ = ["Batch", "Settings", "TrainingOptions", "TrainingTask", "fit"]
