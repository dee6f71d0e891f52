"""Many sounds through a network that hears: what is heard in each, and when.

OUT/predictions.jsonl    a line for each sound, in order: its path, how long it lasts, and its events; or its error
OUT/events.csv           a row for each event: path, start, end, label, probability
OUT/labels/…txt          the events of each sound as Audacity's labels: start, end and label between tabs
OUT/raven/…txt           of a detector also as Raven's selection tables, as times and pitches are what these hold
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from convolens.arrays import Real
from convolens.data.formats.audacity.writer import labels_text
from convolens.data.formats.raven.writer import selections_text
from convolens.data.sound_labels import Span
from convolens.errors import ArgumentError, did_you_mean
from convolens.explanation import SoundExplanation, explain
from convolens.features.listening import Event, Listened, listen
from convolens.inference.lines import explanation_lines
from convolens.media.files import AnyPath, make_folder, writing
from convolens.media.found_sounds import find_sounds
from convolens.media.images import write_image
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer
from convolens.media.picture_files import Outcome, ResultPaths, attempt, is_picture
from convolens.media.result_folders import PREDICTIONS
from convolens.models.inputs import evaluating
from convolens.progress import watching

EVENTS, LABELS, SELECTIONS = "events.csv", "labels", "raven"
COLUMNS = ("path", "start", "end", "label", "probability", "familiar", "unknown", "low", "high")


def heard_in(
    model: Any,
    sources: Sequence[AnyPath],
    *,
    threshold: Real = 0.5,
    unknown: Real | None = None,
    batch: int = 16,
    progress: bool = False,
) -> Iterator[Outcome[Listened]]:
    """What is heard in each sound, in order, as they are done; a bad file is an outcome with its error.

    Args:
        model: a classifier or a detector that was trained by sounds.
        sources: files, folders, patterns.
        threshold: the probability from which on a class is named.
        unknown: as of `convolens.listen`, like the next.
        batch: likewise.
        progress: shows a bar.
    """
    files = find_sounds(sources)
    hear = partial(listen, model, threshold=threshold, unknown=unknown, batch=batch)
    with watching("sounds", len(files), show=progress) as watched, evaluating(model):
        for path in files:
            yield attempt(path, partial(hear, path))
            watched.advance(1)


def need_own(options: Mapping[str, Any], **others: object) -> None:
    """Refuses options of many pictures, and such as `listen` does not have.

    Raises:
        ArgumentError: one was given.
    """
    for name, value in others.items():
        if value is not None:
            raise ArgumentError(f"{name}: need none for a network that hears, got {value!r}")
    taken = ("threshold", "unknown")
    for name in options:
        if name not in taken:
            hint = did_you_mean(name, taken)
            raise ArgumentError(f"{name}: need an option of networks that hear ({', '.join(taken)}){hint}")


def line_of(outcome: Outcome[Listened]) -> dict[str, Any]:
    """As plain data: the path as it was given, and the error or what was heard."""
    if outcome.result is None:
        return outcome.line()
    return {"path": str(outcome.path), **outcome.result.to_dict()}


def hear_files(
    model: Any,
    sources: Sequence[AnyPath],
    out: AnyPath,
    *,
    threshold: Real = 0.5,
    unknown: Real | None = None,
    batch: int = 16,
    progress: bool = True,
) -> tuple[Path, int, int]:
    """Writes what is heard in files, folders and patterns into a folder.

    Args:
        model: as of `heard_in`, like the next.
        sources: likewise.
        out: the folder; made if missing. What an earlier run wrote there is replaced.
        threshold: as of `heard_in`, like the next two.
        unknown: likewise.
        batch: likewise.
        progress: shows a bar.

    Returns:
        The file of lines, how many sounds were done, and how many failed.
    """
    find_sounds(sources)  # refuses what is none before a folder is made
    folder = make_folder(out)
    labels = ResultPaths(sources, folder / LABELS, ".txt")
    selections = ResultPaths(sources, folder / SELECTIONS, ".txt") if model.task == "detect" else None
    done = failed = 0
    with (
        given(*sources, results=folder), only_writer(folder),
        writing(folder / PREDICTIONS) as lines_draft, writing(folder / EVENTS) as rows_draft,
        lines_draft.open("w", encoding="utf-8") as lines, rows_draft.open("w", encoding="utf-8", newline="") as table,
    ):  # fmt: skip
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(COLUMNS)
        for outcome in heard_in(model, sources, threshold=threshold, unknown=unknown, batch=batch, progress=progress):
            lines.write(json.dumps(line_of(outcome)) + "\n")
            done, failed = done + (not outcome.error), failed + bool(outcome.error)
            if outcome.result is not None:
                rows.writerows([outcome.path, *_cells(one)] for one in outcome.result.events)
                write_labels(labels(outcome.path), outcome.result)
                if selections is not None:
                    write_selections(selections(outcome.path), outcome.path.name, outcome.result)
    return folder / PREDICTIONS, done, failed


def explain_sounds(
    model: Any, sources: Sequence[AnyPath], out: AnyPath, **options: Any
) -> Iterator[Outcome[SoundExplanation]]:
    """Draws when and at which pitch each sound made the network say so, as pictures on axes in s and Hz.

    A folder also gets a line for each sound: its path, label, probability and span in seconds; or its error.

    Args:
        model: a classifier that was trained by sounds.
        sources: files, folders, patterns.
        out: a folder, made if missing; or, for one file, the name of the picture to write.
        options: of `explain`.
    """
    files, one = find_sounds(sources), is_picture(str(out))
    if one and len(files) > 1:
        raise ArgumentError(f"{out}: need a folder for {len(files)} sounds, got a picture's name")
    folder = None if one else make_folder(out)
    names = (lambda _: Path(out)) if folder is None else ResultPaths(sources, folder, ".png")

    def explained(path: Path) -> SoundExplanation:
        found: Any = explain(model, path, **options)
        write_image(names(path), found.drawn())
        return found  # type: ignore[no-any-return]

    with ExitStack() as stack:
        stack.enter_context(given(*sources, results=folder))
        if folder is not None:
            stack.enter_context(only_writer(folder))
        write_line = stack.enter_context(explanation_lines(folder))
        for path in files:
            outcome = attempt(path, partial(explained, path))
            write_line(explanation_of(outcome))
            yield outcome


def explanation_of(outcome: Outcome[SoundExplanation]) -> dict[str, Any]:
    """As plain data: the path as it was given, and the error, or the label, its probability and its span."""
    if outcome.result is None:
        return outcome.line()
    found = outcome.result
    return {"path": str(outcome.path), "label": found.label, "probability": found.probability, "span": found.span()}


def _cells(one: Event) -> list[object]:
    """What a row says of an event, behind its path."""
    familiar = "" if one.familiar is None else f"{one.familiar:.4f}"
    pitches = ["" if value is None else f"{value:.1f}" for value in (one.low, one.high)]
    return [
        f"{one.start:.3f}", f"{one.end:.3f}", one.label, f"{one.probability:.4f}", familiar, one.unknown, *pitches,
    ]  # fmt: skip


def write_labels(path: AnyPath, found: Listened) -> None:
    """Writes events as Audacity's label file: File > Import > Labels reads it."""
    _write(path, labels_text(map(_span, found.events)))


def write_selections(path: AnyPath, sound: str, found: Listened) -> None:
    """Writes what a detector heard as Raven's selection table, of the sound file of that name."""
    _write(path, selections_text(sound, ((_span(one), one.probability) for one in found.events)))


def _span(one: Event) -> Span:
    return Span("unknown" if one.unknown else one.label, one.start, one.end, one.low, one.high)


def _write(path: AnyPath, text: str) -> None:
    target = Path(path)
    make_folder(target.parent)
    with writing(target) as draft:
        draft.write_text(text, encoding="utf-8")
