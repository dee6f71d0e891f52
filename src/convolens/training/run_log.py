"""What a training writes down: a bar while it runs, and in the run folder the log, each epoch's metrics, the curves.

log.jsonl     a line for each thing that happened, with its time; only ever appended to
metrics.csv   a row for each epoch
curves.png    loss, monitored metric and learning rate by epoch
lr.png        the loss at each learning rate that was tried, where that was to be tuned
tensorboard/  the metrics of each epoch as TensorBoard reads them, where requested
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convolens.errors import need_package
from convolens.media.files import append, write_rows, writing
from convolens.media.result_folders import LOG
from convolens.progress import Watched, watching
from convolens.training.run_folder import CURVES, METRICS, SEARCH
from convolens.training.tuning import LearningRateSearch

LOGGER = logging.getLogger("convolens")
SMOOTHING = 0.9  # of the speed in the bar


class RunLog:
    """Writes the run folder's records; writes and shows nothing in processes but the first."""

    def __init__(self, folder: Path, *, leads: bool, progress: bool, tensorboard: bool = False) -> None:
        self.folder, self.leads, self.shown = folder, leads, progress and leads
        self.boards = _boards(folder / "tensorboard") if tensorboard and leads else None

    def note(self, event: str, **facts: Any) -> None:
        """Appends a line to the log."""
        if not self.leads:
            return
        LOGGER.info("%s: %s %s", self.folder, event, facts)
        line = json.dumps({"time": datetime.now().astimezone().isoformat(timespec="seconds"), "event": event, **facts})
        append(self.folder / LOG, f"{line}\n")

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the table of epochs."""
        if self.leads and rows:
            write_rows(self.folder / METRICS, rows)
            if self.boards:
                for name, value in rows[-1].items():
                    self.boards.add_scalar(name, value, rows[-1]["epoch"])
                self.boards.flush()

    def search(self, search: LearningRateSearch) -> None:
        """Notes and draws how a learning rate was tuned."""
        self.note("lr found", lr=search.lr, tried=len(search.lrs))
        if self.leads:
            draw_search(self.folder / SEARCH, search)

    def curves(self, rows: Sequence[Mapping[str, Any]], monitored: str) -> None:
        """Draws loss, monitored metric and learning rate by epoch."""
        if self.leads and rows:
            draw_curves(self.folder / CURVES, rows, monitored)

    @contextmanager
    def bar(self, epochs: int | None) -> Iterator[Bar]:
        """Shows progress over the whole training, where that is requested."""
        with watching("training", 1.0, show=self.shown, counted=False) as watched:
            yield Bar(watched, epochs)


class Bar:
    """A bar of how far it is, with loss, monitored metric and speed."""

    def __init__(self, watched: Watched, epochs: int | None) -> None:
        self.watched, self.epochs, self.speed = watched, epochs, 0.0

    def step(self, done: float, epoch: int, loss: float, best: float | None, pictures: int, seconds: float) -> None:
        """Shows how far it is after a step on a number of pictures."""
        speed = pictures / max(seconds, 1e-9)
        self.speed = SMOOTHING * self.speed + (1 - SMOOTHING) * speed if self.speed else speed
        known = "" if best is None else f" best {best:.3f}"
        of = f"/{self.epochs}" if self.epochs else ""
        self.watched.update(min(done, 1.0), f"epoch {epoch + 1}{of} loss {loss:.4g}{known} {self.speed:.0f}/s")

    def say(self, sentence: str) -> None:
        """Says something beside the bar, where it is shown."""
        if sentence:
            self.watched.say(sentence)


def _boards(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise need_package("tensorboard", "tensorboard", "tensorboard") from None
    return SummaryWriter(folder)


def draw_search(path: Path, search: LearningRateSearch) -> None:
    """Draws the loss at each learning rate that was tried, and the one that was taken, as a PNG."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.semilogx(search.lrs, search.losses)
    axes.axvline(search.lr, color="tab:orange", label=f"taken: {search.lr:.2g}")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.grid(alpha=0.3)
    axes.legend()
    _write(figure, path)


def draw_curves(path: Path, rows: Sequence[Mapping[str, Any]], monitored: str, *, by: str = "epoch") -> None:
    """Draws the losses and, below them, the monitored metric by epoch or step, and any learning rate, as a PNG.

    Args:
        path: where to write.
        rows: as in `metrics.csv`: `loss`, `validation_loss`, the metric, `lr`; those that the last row has are drawn.
        monitored: the metric's name.
        by: the name of what is counted.
    """
    panels = [[name for name in ("loss", "validation_loss") if name in rows[-1]], [monitored]]
    panels += [["lr"]] if "lr" in rows[-1] else []
    figure = Figure(figsize=(7, 2 + 1.5 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    at = [row[by] for row in rows]
    heights = (2, 2, 1)[: len(panels)]
    for axes, names in zip(figure.subplots(len(panels), sharex=True, height_ratios=heights), panels, strict=True):
        for name in names:
            label = {"loss": "training", "validation_loss": "validation"}.get(name, name)
            values = [row.get(name, math.nan) for row in rows]  # the first versions measured no validation loss
            axes.plot(at, values, marker="." if len(rows) < 40 else None, label=label)
        if len(names) > 1:
            axes.legend()
        axes.set_ylabel({"lr": "learning rate"}.get(names[0], names[0].replace("_", " ")))
        axes.grid(alpha=0.3)
    axes.set_xlabel(by)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    with writing(path) as draft:
        figure.savefig(draft, format="png", dpi=110)
