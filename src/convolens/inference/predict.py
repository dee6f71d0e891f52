"""Many pictures through a model: JSON Lines and annotated pictures, in constant memory, resumable.

    OUT/predictions.jsonl   a line for each picture, in order: its path and what was predicted, or its error
    OUT/pictures/…          each picture with what was predicted drawn on it, as JPEG, under its own name
    OUT/model.json          which model it was

While it runs the lines are in `predictions.part.jsonl`; a run that was interrupted goes on behind its last whole line.
Works with any task: what a model predicts is a dataclass, whose fields are the line's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from glob import glob, has_magic
from inspect import signature
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray

from convolens.data.files import files_below, is_picture, read_text
from convolens.errors import ArgumentError, FileError, FormatError, ShapeError, did_you_mean
from convolens.inference.annotate import annotated, write_jpeg
from convolens.media.files import AnyPath, make_folder, write_json
from convolens.media.pixels import as_pixels, over_white
from convolens.progress import track
from convolens.settings import threads

DONE, UNDER_WAY = "predictions.jsonl", "predictions.part.jsonl"
HELD_PIXELS = 48_000_000  # of pictures in flight: four large photos, 150 MB
READ_AHEAD = 4  # pictures


@runtime_checkable
class Predictor(Protocol):
    """What every task's model is here: something that predicts for pictures."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def predict(self) -> Callable[..., Any]:
        """From a list of pictures, and `batch=`, to a dataclass for each."""

    @property
    def state_dict(self) -> Callable[[], dict[str, torch.Tensor]]:
        """The weights, as a module gives them."""


@dataclass(frozen=True)
class Outcome:
    """One picture's line: what was predicted, or the error; `path` as it was given."""

    path: Path
    prediction: Any = None
    error: str = ""
    pixels: NDArray[Any] | None = None

    def line(self) -> dict[str, Any]:
        """As plain data."""
        found = {"error": self.error} if self.error else asdict(self.prediction)
        return {"path": str(self.path), **found}


@dataclass(frozen=True)
class Bulk:
    """What came of it: the file of lines, and how many pictures were done now, failed now, and were done before."""

    lines: Path
    done: int
    failed: int
    before: int


def picture_files(sources: Sequence[AnyPath], *, outside: Path | None = None) -> Iterator[Path]:
    """The picture files that are meant: files as they are, folders with all below, patterns such as `"photos/*.jpg"`.

    Args:
        sources: in order; a file is taken whatever its suffix, in folders and patterns only pictures'.
        outside: a folder whose files are left out, as they are results.

    Raises:
        FileError: a folder or pattern without pictures.
    """
    hidden = outside.resolve() if outside else None
    for source in sources:
        path, found = Path(source), False
        for file in _meant(path):
            if hidden is None or not file.resolve().is_relative_to(hidden):
                found = True
                yield file
        if not found:
            raise FileError(f"{path}: need pictures, found none")


def _meant(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (Path(name) for name in files_below(path) if is_picture(name))
    elif not path.exists() and has_magic(str(path)):
        yield from (Path(name) for name in _matching(str(path)) if is_picture(name))
    else:
        yield path


def _matching(pattern: str) -> list[str]:
    return sorted(glob(pattern, recursive=True))  # noqa: PTH207 - Path's needs the root and the pattern apart


def predictions(model: Predictor, files: Iterable[Path], *, batch: int = 16, **options: Any) -> Iterator[Outcome]:
    """What the model predicts for each file, in order, as they are done; a bad file is an outcome with its error.

    At most `batch` pictures, and not many more than `HELD_PIXELS` pixels, are held at a time.

    Args:
        model: of any task.
        files: pictures.
        batch: how many go through the network at once.
        options: of the model's own `predict`.

    Raises:
        ArgumentError: the batch is not positive, or an option is wrong.
    """
    if batch < 1:
        raise ArgumentError(f"batch: need at least 1 picture, got {batch}")
    _check_options(model, options)
    for chunk in _chunks(_decoded(files), batch):
        yield from _predicted(model, chunk, batch, options)


def predict_files(
    model: Predictor,
    sources: Sequence[AnyPath],
    out: AnyPath,
    *,
    batch: int = 16,
    pictures: bool = True,
    progress: bool = True,
    **options: Any,
) -> Bulk:
    """Predicts for files, folders and patterns, and writes lines and annotated pictures into a folder.

    Args:
        model: of any task.
        sources: files, folders, patterns.
        out: the folder; made if missing. A run of the same model and options that is there is gone on with.
        batch: pictures that go through the network at once.
        pictures: whether to write annotated pictures too.
        progress: shows a bar with the time left.
        options: of the model's own `predict`.

    Raises:
        FileError: a source without pictures, or the folder cannot be written.
        ArgumentError: the folder holds predictions of another model or with other options.
    """
    _check_options(model, options)
    folder = make_folder(out)
    _claim(folder, model, options)
    count = sum(1 for _ in picture_files(sources, outside=folder))
    base = Path(os.path.commonpath([_absolute(_folder_of(Path(source))) for source in sources]))
    before = _resume(folder)
    todo = (path for path in picture_files(sources, outside=folder) if str(path) not in before)
    done = failed = 0
    with (folder / UNDER_WAY).open("a", encoding="utf-8") as stream:
        outcomes = predictions(model, todo, batch=batch, **options)
        for outcome in track(outcomes, "pictures", count - len(before), show=progress):
            if pictures and outcome.pixels is not None:
                write_jpeg(_target(folder, base, outcome.path), annotated(outcome.pixels, outcome.prediction))
            stream.write(json.dumps(outcome.line(), default=_plain) + "\n")
            stream.flush()
            done, failed = done + (not outcome.error), failed + bool(outcome.error)
        os.fsync(stream.fileno())
    (folder / UNDER_WAY).replace(folder / DONE)
    return Bulk(folder / DONE, done, failed, len(before))


def _check_options(model: Predictor, options: dict[str, Any]) -> None:
    taken = [name for name in signature(model.predict).parameters if name not in ("self", "images", "batch")]
    wrong = [name for name in options if name not in taken]
    if wrong:
        hint = did_you_mean(wrong[0], taken)
        raise ArgumentError(f"{wrong[0]}: need an option of {model.task} models ({', '.join(taken)}){hint}")


def _decoded(files: Iterable[Path]) -> Iterator[tuple[Path, NDArray[Any] | str]]:
    """Each file's pixels, or why there are none; threads read a few ahead."""
    with ThreadPoolExecutor(threads()) as pool:
        waiting: deque[tuple[Path, Future[NDArray[Any] | str]]] = deque()
        for path in files:
            waiting.append((path, pool.submit(_pixels, path)))
            if len(waiting) > READ_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for path, future in waiting:
            yield path, future.result()


def _pixels(path: Path) -> NDArray[Any] | str:
    try:
        return over_white(as_pixels(path))
    except FileError as error:
        return str(error)


def _chunks(
    decoded: Iterable[tuple[Path, NDArray[Any] | str]], batch: int
) -> Iterator[list[tuple[Path, NDArray[Any] | str]]]:
    """As many as go through the network at once, or as memory is meant to hold."""
    chunk: list[tuple[Path, NDArray[Any] | str]] = []
    held = 0
    for path, pixels in decoded:
        chunk.append((path, pixels))
        held += 0 if isinstance(pixels, str) else pixels.shape[0] * pixels.shape[1]
        if len(chunk) == batch or held >= HELD_PIXELS:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _predicted(
    model: Predictor, chunk: Sequence[tuple[Path, NDArray[Any] | str]], batch: int, options: dict[str, Any]
) -> Iterator[Outcome]:
    good = [pixels for _, pixels in chunk if not isinstance(pixels, str)]
    try:
        found = iter(model.predict(good, batch=batch, **options) if good else [])
    except ShapeError:  # one is too small for the network: each on its own
        yield from (_alone(model, path, pixels, options) for path, pixels in chunk)
        return
    for path, pixels in chunk:
        if isinstance(pixels, str):
            yield Outcome(path, error=pixels)
        else:
            yield Outcome(path, next(found), pixels=pixels)


def _alone(model: Predictor, path: Path, pixels: NDArray[Any] | str, options: dict[str, Any]) -> Outcome:
    if isinstance(pixels, str):
        return Outcome(path, error=pixels)
    try:
        return Outcome(path, model.predict([pixels], batch=1, **options)[0], pixels=pixels)
    except ShapeError as error:
        return Outcome(path, error=f"{path}: {error}")


def _claim(folder: Path, model: Predictor, options: dict[str, Any]) -> None:
    """Writes down whose predictions these are; refuses a folder that holds another's."""
    here = json.loads(json.dumps({"task": model.task, "model": fingerprint(model), "options": options}, default=str))
    claim = folder / "model.json"
    if not claim.exists():
        write_json(claim, here)
        return
    try:
        there = json.loads(read_text(claim, "the description of predictions"))
    except ValueError as error:
        raise FormatError(f"{claim}: need JSON, got {error}; give another folder") from error
    if there != here:
        raise ArgumentError(f"{folder}: holds predictions of another model or with other options; give another folder")


def fingerprint(model: Predictor) -> str:
    """A hash of the model's weights: the same for the same model, wherever its file lies."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _resume(folder: Path) -> set[str]:
    """The paths that have their line. A line that was cut off is taken away, so that writing goes on behind it."""
    done, part = folder / DONE, folder / UNDER_WAY
    if done.exists() and not part.exists():
        done.replace(part)
    if not part.exists():
        return set()
    paths, whole = set(), 0
    with part.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            try:
                paths.add(json.loads(line)["path"])
            except (ValueError, KeyError, TypeError):
                break
            whole += len(line)
    with part.open("r+b") as stream:
        stream.truncate(whole)
    return paths


def _folder_of(source: Path) -> Path:
    """The folder of a source: itself, or the one that it lies in, up to a pattern's first sign."""
    if source.is_dir():
        return source
    while has_magic(str(source.parent)) and not source.parent.exists():
        source = source.parent
    return source.parent


def _absolute(path: Path) -> Path:
    """From the root and without `..`, links as they are."""
    return Path(os.path.normpath(path.absolute()))


def _target(folder: Path, base: Path, path: Path) -> Path:
    """Where the annotated picture goes: the same folders below `pictures`, and the name with `.jpg` behind it."""
    where = folder / "pictures" / _absolute(path).parent.relative_to(base)
    name = path.name if path.suffix.lower() in (".jpg", ".jpeg") else f"{path.name}.jpg"
    where.mkdir(parents=True, exist_ok=True)
    return where / name


def _plain(value: object) -> object:
    """NumPy's and torch's numbers and arrays as JSON's."""
    to_list: Callable[[], object] | None = getattr(value, "tolist", None)
    if to_list is None:
        raise TypeError(f"{type(value).__name__} is no plain data")
    return to_list()
