"""Restyling files: a picture, a folder of them, or the frames of a film; with previews, resumed after a stop.

While a picture is worked on, `.NAME.resume.safetensors` beside it holds the state to resume from: it is written before
each picture on the way and every half minute, and removed when the picture is done. Every file is written under another
name first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convolens.errors import ArgumentError, FileError, ShapeError, WeightsError
from convolens.media.files import AnyPath, writing
from convolens.media.images import Picture, need_picture_target, read_picture, write_picture
from convolens.media.inputs import also_given, reads
from convolens.media.one_writer import only_writer
from convolens.media.picture_files import Outcome, ResultPaths, attempt, find_pictures
from convolens.media.pixels import as_pixels, from_unit, over_white, to_unit
from convolens.progress import watching
from convolens.sources import as_address
from convolens.sources.addresses import need_usable
from convolens.sources.found import is_shard
from convolens.stopping import StopRequest, stop_requests
from convolens.stylization import State, Step, stylize
from convolens.trunks.weights.tensor_file import read_tensor_file, write_tensor_file

# What the first files called an option, and what it is called now; and what holds where a file does not name one.
_NOW_CALLED = {"shares": "mix"}
_DEFAULTS = {name: one.default for name, one in signature(stylize).parameters.items() if one.default is not one.empty}
_ADDED = {"tv_color_weight": 1.0}  # options that earlier versions had not, and what they did
SAVE_STATE_SECONDS = 30.0  # at most this much work is lost to a power cut


@reads("content", "style")
def stylize_file(
    content: Path | None,
    style: Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    save_every: int = 0,
    show: bool = True,
    tell: Callable[[str], object] = lambda _: None,
    **options: Any,
) -> Path:
    """One picture from file to file; `options` are those of `stylize`.

    Args:
        content: a picture, or None for a texture.
        style: one or more pictures.
        out: where to write; the suffix chooses the format. A 16-bit content gives 16 bits where it can hold them.
        resume: an earlier run into `out` that was stopped.
        save_every: write the picture so far to `out` after every `save_every` steps; 0 only at the end.
        show: a bar with losses and time left on the terminal.
        tell: gets notes, in a sentence each.
        options: of `stylize`.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the step in hand; the picture so far is in `out`, and the state to resume from
            beside it. After SIGTERM likewise a SystemExit.
        FileError: nothing to resume, or files that cannot be read or written, or that another process is writing to.
    """
    also_given([options.get("masks"), options.get("init"), options.get("weights")])
    need_picture_target(out)
    with only_writer(out):
        return _stylize_into(content, style, out, resume, save_every, show, tell, options)


def _stylize_into(
    content: Path | None,
    style: Sequence[Path],
    out: Path,
    resume: bool,
    save_every: int,
    show: bool,
    tell: Callable[[str], object],
    options: dict[str, Any],
) -> Path:
    source = None if content is None else read_picture(content)
    if resume:
        options = options | _in_force_then(out, options)
    key = _resume_key(content, style, options)
    start = _load_state(out, key) if resume else None
    work = _Work(out, source, key, save_every, tell)
    with work.noticing:
        try:
            with _bar(out.name, show) as advance:
                pixels = stylize(
                    None if source is None else source.pixels,
                    list(style) if style else None,
                    resume=start,
                    on_step=lambda step: work.report(step, advance),
                    **options,
                )
            work.write(pixels)
        except (KeyboardInterrupt, _Stopped) as stop:
            if work.last is None:
                raise
            sentence = work.keep(work.last)
            if isinstance(stop, _Stopped):
                work.stop.end(sentence)
            raise KeyboardInterrupt(sentence) from stop
        _state_path(out).unlink(missing_ok=True)
        if work.stop.by is not None:
            work.stop.end(f"{out}: is done")
    return out


class _Stopped(Exception):  # noqa: N818 - the user's wish, no error
    """Told to end, between two steps."""


class _Work:
    """A picture that is worked on, and what is kept of it on the way."""

    def __init__(
        self, out: Path, source: Picture | None, key: str, save_every: int, tell: Callable[[str], object]
    ) -> None:
        self.out, self.source, self.key, self.save_every, self.tell = out, source, key, save_every, tell
        self.last: Step | None = None
        self.saved = time.monotonic()
        self.noticing, self.stop = ExitStack(), StopRequest("")

    def report(self, step: Step, advance: Callable[[Step], object]) -> None:
        """Takes in a step that is done. Before the first there is nothing to keep, and a signal ends all at once."""
        if self.last is None:
            self.stop = self.noticing.enter_context(stop_requests("the picture so far"))
        self.last = step
        if step.note:
            self.tell(step.note)
        shown = self.save_every and step.number % self.save_every == 0
        if shown or time.monotonic() - self.saved > SAVE_STATE_SECONDS:
            _save_state(self.out, step.state(), self.key)  # first: no picture without its state
            self.saved = time.monotonic()
        if shown:
            self.write(step.picture())
        advance(step)
        if self.stop.by is not None:
            raise _Stopped

    def write(self, pixels: Any) -> None:
        """Writes the picture as it is."""
        picture = Picture(pixels) if self.source is None else self.source.with_pixels(pixels)
        write_picture(self.out, _fitting(picture, self.out))

    def keep(self, step: Step) -> str:
        """Keeps a step's state and picture; says so in a sentence."""
        _save_state(self.out, step.state(), self.key)
        self.write(step.picture())
        return f"{self.out}: holds step {step.number} of {step.total}; the same command with --resume continues"


def stylize_folder(
    contents: AnyPath,
    style: Sequence[Path],
    out: Path,
    *,
    sequence: bool = False,
    resume: bool = False,
    tell: Callable[[str], object] = lambda _: None,
    **options: Any,
) -> list[Outcome[Path]]:
    """Every picture of a folder or pattern, in order of path, into another folder; one that cannot be read is left out.

    Args:
        contents: the folder, with all below, or the pattern.
        style: one or more pictures.
        out: a folder; made where it is missing.
        sequence: the pictures are the frames of a film: each starts from the last one's result, moved by what changed
            between the two, at its own size only.
        resume: skip what is there already.
        tell: gets notes, in a sentence each.
        options: of `stylize_file`.

    Returns:
        What became of each: where the result is, or why there is none.

    Raises:
        FileError: no pictures there.
        KeyboardInterrupt: Ctrl-C.
    """
    if address := as_address(contents):
        need_usable(address)
    if address or is_shard(contents):
        raise ArgumentError(f"content: need a folder of this machine, got {contents}")
    files = [
        one for one in find_pictures([contents], outside=out) if isinstance(one, Path)
    ]  # refuses what is none before a folder is made
    results = ResultPaths([contents], out)
    with only_writer(out):
        return _stylize_each(files, style, results, sequence=sequence, resume=resume, tell=tell, **options)


def _stylize_each(
    files: Sequence[Path],
    style: Sequence[Path],
    results: ResultPaths,
    *,
    sequence: bool,
    tell: Callable[[str], object],
    **options: Any,
) -> list[Outcome[Path]]:
    outcomes, before = list[Outcome[Path]](), None
    for file in files:
        target = results(file)
        following = partial(_following, file, before) if sequence and before else dict[str, Any]
        one = partial(_stylize_one, file, style, target, following, tell=tell, **options)
        outcomes.append(attempt(file, one))
        if outcomes[-1].error:
            tell(outcomes[-1].error)
        else:
            before = (file, target)
    return outcomes


def _stylize_one(
    file: Path,
    style: Sequence[Path],
    target: Path,
    following: Callable[[], dict[str, Any]],
    *,
    resume: bool,
    **options: Any,
) -> Path:
    """One of many; what an earlier run has finished stays."""
    begun = _state_path(target).exists()
    if resume and target.exists() and not begun:
        return target
    return stylize_file(file, style, target, resume=resume and begun, **(options | following()))


def _following(file: Path, before: tuple[Path, Path]) -> dict[str, Any]:
    """How a frame starts from the last: its result, plus what moved. The change is small, so one scale suffices."""
    last, result = (_unit(path) for path in before)
    frame = _unit(file)
    if frame.shape != last.shape:
        raise ShapeError(f"{file}: need frames of one size, got {frame.shape[:2]} after {last.shape[:2]}")
    if result.shape != frame.shape:
        return {"init": result, "scales": 1}
    return {"init": np.clip(result + (frame - last), 0, 1), "scales": 1}


def _unit(path: Path) -> Any:
    pixels = to_unit(over_white(as_pixels(path)), np.float64)
    return np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3))


def _fitting(picture: Picture, out: Path) -> Picture:
    """16 bits as 8 where the format holds no more; without transparency for JPEG."""
    pixels = picture.pixels
    if pixels.dtype == np.uint16 and out.suffix.lower() not in (".png", ".tif", ".tiff"):
        pixels = from_unit(to_unit(pixels), np.uint8)
    if pixels.shape[2] == 4 and out.suffix.lower() in (".jpg", ".jpeg"):
        pixels = pixels[:, :, :3]
    return picture.with_pixels(pixels)


def _state_path(out: Path) -> Path:
    return out.with_name(f".{out.name}.resume.safetensors")


def _resume_key(content: Path | None, style: Sequence[Path], options: Mapping[str, Any]) -> str:
    """What a run must have in common with the one that it resumes."""
    plain = {name: _DEFAULTS[name] for name in _ADDED} | {key: value for key, value in options.items() if key != "init"}
    return json.dumps([str(content), [str(one) for one in style], plain], sort_keys=True, default=str)


def _request(key: str) -> tuple[str, list[str], dict[str, Any]]:
    """A key of any version in today's words, with the defaults of what they do not name."""
    content, style, options = json.loads(key)
    told = _DEFAULTS | _ADDED | {_NOW_CALLED.get(name, name): value for name, value in options.items()}
    told.pop("memory", None)  # how large a tile is may differ from machine to machine
    return content, style, told


def _save_state(out: Path, state: State | None, key: str) -> None:
    if state is None:
        return
    facts = {"scale": str(state.scale), "step": str(state.step), "run": key}
    with writing(_state_path(out)) as draft:
        write_tensor_file(draft, {"picture": torch.from_numpy(np.ascontiguousarray(state.picture))}, facts)


def _in_force_then(out: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a run of an earlier version did where there is an option now, unless that was asked for."""
    path = _state_path(out)
    if not path.exists():
        raise FileError(f"{out}: nothing to resume; run without --resume first")
    with suppress(WeightsError, KeyError, ValueError, TypeError, RecursionError):  # told as the state is read
        named = json.loads(read_tensor_file(path, "what stylize left")[0]["run"])[2]
        default = {name for name in _ADDED if options.get(name, _DEFAULTS[name]) == _DEFAULTS[name]}
        return {name: _ADDED[name] for name in default if name not in named}
    return {}


def _load_state(out: Path, key: str) -> State:
    path = _state_path(out)
    try:
        facts, tensors = read_tensor_file(path, "what stylize left")
        picture = tensors["picture"].numpy()
        scale, step = int(facts["scale"]), int(facts["step"])
        if picture.dtype.kind != "f" or picture.ndim != 3 or not np.isfinite(picture).all() or min(scale, step) < 0:
            raise ValueError("need a picture of finite numbers, and how far it is")
        before = _request(facts["run"])
    except (WeightsError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"{path}: cannot be resumed from: {error}; delete it and start anew") from error
    if before != _request(key):
        raise ArgumentError(f"{out}: was begun with other options; give the same to resume, or start without --resume")
    return State(scale, step, picture)


@contextmanager
def _bar(what: str, show: bool) -> Iterator[Callable[[Step], None]]:
    """Shows steps, losses and the time left."""
    with watching(what, 1, show=show) as watched:

        def advance(step: Step) -> None:
            losses = " ".join(f"{name} {value:.3f}" for name, value in step.losses.items())
            watched.update(step.number, losses, total=step.total)

        yield advance
