"""`convolens doctor`: what is in a data set, and what in it would spoil a training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolens.cli.telling import answer, tell_written

FAULTS = 1  # the exit code where something has to be mended


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(doctor)


def doctor(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folders of classes, CSV, or annotations of COCO, VOC, YOLO, Label Studio, CVAT, labelme …",
        ),
    ],
    html: Annotated[Path | None, typer.Option(help="Also write a page with pictures of what was found.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            help="folders, csv, coco, voc, yolo, label-studio, cvat, labelme, open-images or metadata. "
            "Default: what it looks like."
        ),
    ] = None,
) -> None:
    """Look through pictures and annotations before a network learns from them.

    Opens every file, and reports files that cannot be read, copies, the same picture in two splits, rare classes, boxes
    that cannot be, ids that do not exist. Exit code 0: no faults; 1: faults; 2: nothing could be read.

    \b
    Examples:
      convolens doctor photos
      convolens doctor annotations.json --html doctor.html
    """
    import json

    from convolens.data.doctor import as_page, as_text, diagnose
    from convolens.media.files import need_target, writing
    from convolens.media.inputs import given

    with given(data):
        if html is not None:
            need_target(html)
        found = diagnose(data, format=format)
        if html is not None:
            with writing(html) as draft:
                draft.write_text(as_page(found), encoding="utf-8")
    if html is not None:
        tell_written(html)
    answer(json.dumps(found.to_dict(), indent=2, default=str) if as_json else as_text(found))
    if found.faults:
        raise typer.Exit(FAULTS)
