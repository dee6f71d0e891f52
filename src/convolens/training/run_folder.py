"""The folder that a training leaves behind: the best model, how it got there, and what it was asked to do.

best.safetensors   the model                    metrics.csv     a row for each step or epoch
config.json        every setting and the data
Tasks and the training loop add to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.data import Skipped
from convolens.models import Model, load

BEST = "best.safetensors"


@dataclass(frozen=True)
class Run:
    """What a training left behind.

    Attributes:
        folder: the run folder.
        best: the model file in it.
        metrics: of the best model on the validation pictures, as `evaluate` gives them.
        skipped: files that could not be used, with the reason for each.
    """

    folder: Path
    best: Path
    metrics: dict[str, Any]
    skipped: tuple[Skipped, ...]

    def load(self, *, device: str = "auto") -> Model:
        """The best model."""
        return load(self.best, device=device)
