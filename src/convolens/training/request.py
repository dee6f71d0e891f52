"""What is requested of every trainer, whatever the task, and what each makes of it first: data, trunk, run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from convolens.data import DataSet, read_data, split
from convolens.distributed import leads
from convolens.media.files import AnyPath, make_folder
from convolens.media.inputs import also_given
from convolens.media.one_writer import only_writer
from convolens.progress import say
from convolens.training.restarts import note_launch, was_restarted
from convolens.training.run_folder import need_free_run
from convolens.training.settings import Settings
from convolens.trunks import Trunk
from convolens.trunks.registry import trunk as make_trunk


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of `convolens.train` that every trainer has; it says what each means.

    Attributes:
        training: those of the options in `Settings` that were given.
        chosen: whether the trunk was chosen, not named.
        on_epoch, on_step: who hears of each, and may end the training by returning False.
        started: when the work began, by `time.monotonic`.
    """

    data: AnyPath
    trunk: str
    weights: AnyPath | None
    out: AnyPath
    taps: Sequence[str] | str | None
    finetune: str | None
    stem: Literal["full", "small"]
    width: float
    validation: float | AnyPath | None
    size: int | tuple[int, int] | None
    resume: bool
    overwrite: bool
    device: str
    progress: bool
    training: Mapping[str, Any]
    chosen: bool = False
    on_epoch: Callable[[Mapping[str, Any]], object] | None = None
    on_step: Callable[[Mapping[str, Any]], object] | None = None
    started: float = field(default_factory=time.monotonic)

    def settings(self, **defaults: Any) -> Settings:
        """How to train; what was not given is the trainer's own default, or the one of `Settings`."""
        return Settings(**{**defaults, **self.training})

    @property
    def run(self) -> Path:
        """The run folder."""
        return Path(self.out)

    @property
    def side(self) -> int | None:
        """The size, for a task that takes one side alone; `train` has refused two."""
        assert not isinstance(self.size, tuple)
        return self.size

    def need_free_run(self) -> None:
        """Refuses a folder that holds a run, before anything is read or made. Errors as in `run_folder`."""
        resume = self.resume or self.restarted
        need_free_run(self.run, resume=resume, overwrite=self.overwrite and not self.restarted)

    @property
    def restarted(self) -> bool:
        """Whether `torchrun` began this anew after one of its processes ended: what is in the run folder is its own."""
        return was_restarted(self.run)

    @contextmanager
    def run_folder(self) -> Iterator[Path]:
        """The run folder, made where it is missing; meanwhile no other training writes into it.

        Raises:
            FileError: one does; or the folder cannot be made or, by now, holds a run.
        """
        make_folder(self.run)
        with only_writer(self.run) if leads() else nullcontext():
            if leads():
                self.need_free_run()
                note_launch(self.run, resume=self.resume)
            yield self.run

    def datasets(self, seed: int, need: Callable[[DataSet], None]) -> tuple[DataSet, DataSet]:
        """The examples to train on, and those to validate on.

        Args:
            seed: of the split.
            need: raises for data that the task cannot use; called with all of it, and with each part.

        Errors as in `read_data` and `split`, and those of `need`.
        """
        read = read_data(self.data)
        also_given(example.path for example in read.examples)
        self.need_free_run()  # now that it is known which files are read
        need(read)
        parts = split(read, self.validation, seed)
        for part in parts:
            need(part)
        return parts

    def make_trunk(self, seed: int, channels: int = 3) -> Trunk:
        """The trunk to train, on the CPU, with another stem or width if requested. Errors as in `convolens.trunk`.

        Args:
            seed: of random weights.
            channels: of the input, where the weights are random.
        """
        published = {"stem": "full", "width": 1.0}
        changed = {name: getattr(self, name) for name, value in published.items() if getattr(self, name) != value}
        if channels != 3 and self.weights is None:
            changed["channels"] = channels
        return make_trunk(self.trunk, weights=self.weights, seed=seed, device="cpu", **changed)

    def say(self, sentence: str) -> None:
        """Says something beside the bars, where progress is shown; once, if there are several processes."""
        say(sentence, show=self.progress and leads())

    def facts(self) -> dict[str, Any]:
        """What is written down of it, beside settings."""
        left_out = ("resume", "overwrite", "progress", "training", "chosen", "on_epoch", "on_step", "started")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in left_out}
