"""The folder that a training leaves behind: the best model, how it was made, and what was requested.

best.safetensors   the model                    metrics.csv     a row for each step or epoch
config.json        every setting and the data   curves.png      the same, drawn
Tasks and the training loop add to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from convolens.data import Skipped
from convolens.errors import ArgumentError, FileError
from convolens.evaluation.result import Evaluation
from convolens.media.images import read_image
from convolens.media.inputs import need_no_input
from convolens.media.pixels import as_rgb8
from convolens.media.result_folders import BEST, LAST, LOG
from convolens.media.showing import Drawn
from convolens.models import Model, load

CURVES = "curves.png"
CONFIG, METRICS, SEARCH = "config.json", "metrics.csv", "lr.png"


@dataclass(frozen=True, repr=False)
class Run(Drawn):
    """What a training left behind.

    Attributes:
        folder: the run folder.
        task: `classify`, `localize`, `detect` or `unusual`.
        metrics: of the best model on the validation pictures, as `evaluate` gives them.
        skipped: files that could not be used, with the reason for each.
        advice: where little was learned, what to try; otherwise empty.
    """

    folder: Path
    task: str
    metrics: Evaluation
    skipped: tuple[Skipped, ...] = ()
    advice: str = ""

    @property
    def best(self) -> Path:
        """The model file."""
        return self.folder / BEST

    def load(self, *, device: str = "auto") -> Model:
        """The best model."""
        return load(self.best, device=device)

    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """How loss and metrics went."""
        return as_rgb8(read_image(self.folder / CURVES))

    def __str__(self) -> str:
        return self.metrics.summary()

    def __repr__(self) -> str:
        return f"Run({self.folder}, {self})"

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{escape(one)}</p>" for one in (repr(self), self.advice) if one)
        return f"{words}{super()._repr_html_()}{self.metrics._repr_html_()}"


def need_free_run(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuses a folder that holds a run, or an input by the name of one of a run's files, before anything is made.

    Raises:
        FileError: it holds a run that is neither to be resumed nor overwritten, or an input.
        ArgumentError: both at once are requested.
    """
    if resume and overwrite:
        raise ArgumentError("overwrite: need one of resume=True and overwrite=True, got both")
    need_no_input(*(folder / name for name in (BEST, LAST, CURVES, CONFIG, METRICS, LOG, SEARCH)))
    there = [name for name in (BEST, LAST) if (folder / name).exists()]
    if there and not (resume or overwrite):
        again = "resume=True resumes it, " if LAST in there else ""
        raise FileError(
            f"{folder}: need a folder without a run, found {' and '.join(there)} there; "
            f"{again}overwrite=True replaces it, or give another folder"
        )
