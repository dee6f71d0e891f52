"""The one loop that every task is trained by: from a `Lesson` (what to learn) and `Settings` (how) to a run folder."""

from convolens.workflows.training.lesson import Batch, Lesson
from convolens.workflows.training.loop import fit
from convolens.workflows.training.settings import Settings, TrainingOptions

__all__ = ["Batch", "Lesson", "Settings", "TrainingOptions", "fit"]
