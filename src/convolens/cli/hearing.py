"""`convolens predict` with a network that hears: what is heard in sound files, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolens.cli.telling import answer_line, tell, tell_failure, tell_written

if TYPE_CHECKING:
    from convolens.features.listening import Listened

REASONS_SHOWN = 5


def predict_sounds(
    model: Any,
    files: list[str],
    out: Path | None,
    *,
    threshold: float,
    unknown: float | None,
    batch: int,
    others: Mapping[str, Any],
    as_json: bool,
) -> int:
    """Prints a line for each event, or writes lines, a table and labels into a folder.

    Args:
        model: a classifier or a detector that was trained by sounds.
        files: sound files, folders, patterns.
        out: the folder; None prints.
        threshold: the probability from which on a class is named.
        unknown: as of `convolens.listen`, like the next.
        batch: likewise.
        others: options that mean nothing for sounds.
        as_json: whether to print JSON.

    Returns:
        How many sounds failed.

    Raises:
        ArgumentError: one of the others was given.
    """
    from convolens.inference.hearing import EVENTS, LABELS, SELECTIONS, heard_in, line_of
    from convolens.inference.lines import prediction_lines
    from convolens.inference.predict import predict_files

    _need_none(others)
    if out is None:
        failed = 0
        for one in heard_in(model, files, threshold=threshold, unknown=unknown, batch=batch):
            if one.result is None:
                failed += 1
                tell_failure(f"error: {one.error}")
            if as_json:
                answer_line(json.dumps(line_of(one)))
            elif one.result is not None:
                _print_events(one.path, one.result)
        return failed
    found = predict_files(model, files, out, threshold=threshold, unknown=unknown, batch=batch)
    tell(f"{found.done:,} done, {found.failed:,} failed")
    errors = (line["error"] for line in prediction_lines(Path(found.lines)) if "error" in line)
    for sentence in islice(errors, REASONS_SHOWN):
        tell_failure(f"error: {sentence}")
    written = f"a row for each event is in {out / EVENTS}, labels for Audacity are in {out / LABELS}"
    if model.task == "detect":
        written += f", selection tables for Raven in {out / SELECTIONS}"
    tell_written(found.lines, written)
    return found.failed


def _print_events(path: object, found: Listened) -> None:
    """A line for each event; of a sound in which none was heard, that."""
    for one in found.events:
        answer_line(f"{path}: {one}")
    if not found.events:
        answer_line(f"{path}: nothing heard of which it is sure in {found.seconds:.2f} s")


def explain_sounds(
    model: Any, files: list[str], out: Path | None, others: Mapping[str, Any], as_json: bool, **options: Any
) -> int:
    """Draws explanations of sounds and prints when, and at which pitch; returns how many failed. Errors as above."""
    from convolens.inference.hearing import explain_sounds as explained
    from convolens.inference.hearing import explanation_of

    _need_none(others)
    assert out is not None  # as there is no page of sounds
    failed = done = 0
    for one in explained(model, files, out, **options):
        done, failed = done + (one.result is not None), failed + (one.result is None)
        if one.result is None:
            tell_failure(f"error: {one.error}")
            continue
        answer_line(json.dumps(explanation_of(one)) if as_json else f"{one.path}  {one.result}")
    if done:
        tell_written(out)
    return failed


def _need_none(others: Mapping[str, Any]) -> None:
    from convolens.errors import ArgumentError

    for name, value in others.items():
        if value not in (None, False):
            raise ArgumentError(f"{name}: means nothing for a network that hears; leave it out")
