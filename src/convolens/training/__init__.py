"""The one loop that every task is trained by: from a `Lesson` (what to learn) and `Settings` (how) to a run folder."""

from convolens.errors import need_networks

need_networks()

from convolens.training.lesson import Batch, Lesson
from convolens.training.loop import fit
from convolens.training.settings import Settings, TrainingOptions

__all__ = ["Batch", "Lesson", "Settings", "TrainingOptions", "fit"]
