"""`convolens doctor|convert`: what is in a data set and would spoil a training; the same data in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolens.cli.telling import answer, tell, tell_failure, tell_written

FAULTS = 1  # the exit code where something has to be mended
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="Folders of classes, CSV, or annotations of COCO, VOC, YOLO, Label Studio, CVAT, labelme …"
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        help="folders, csv, coco, voc, yolo, label-studio, cvat, labelme, open-images, metadata, via, createml, "
        "supervisely, visdrone or crowdhuman. Default: what it looks like."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(doctor)
    app.command()(convert)


def doctor(
    data: Data,
    html: Annotated[Path | None, typer.Option(help="Also write a page with pictures of what was found.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    format: Format = None,  # noqa: A002 - the option's name
    table: Annotated[
        Path | None, typer.Option(help="Also write a row for each place that was found, as .csv or .parquet.")
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

    from convolens.data.doctor import COLUMNS, as_page, as_text, diagnose
    from convolens.media.files import need_target, writing
    from convolens.media.inputs import given
    from convolens.media.table_files import need_table, write_table

    with given(data):
        if table is not None:
            need_table(table)
        if html is not None:
            need_target(html)
        found = diagnose(data, format=format)
        if html is not None:
            with writing(html) as draft:
                draft.write_text(as_page(found), encoding="utf-8")
        if table is not None:
            write_table(table, found.rows(), COLUMNS)
    for written in filter(None, (html, table)):
        tell_written(written)
    answer(json.dumps(found.to_dict(), indent=2, default=str) if as_json else as_text(found))
    if found.faults:
        tell("next: mend what was found, and look again; what cannot be read is left out of a training")
        raise typer.Exit(FAULTS)


def convert(
    data: Data,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder; pictures go there too.")],
    to: Annotated[str, typer.Option(help="folders, csv, coco, voc, yolo, yolo-seg, label-studio, cvat or labelme.")],
    format: Format = None,  # noqa: A002 - the option's name
    split: Annotated[
        str | None, typer.Option(help="Fractions for train, validation and perhaps test, such as 0.8,0.1,0.1.")
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="What --split keeps together: folder; prefix, names alike up to the last _ - . or space; column:NAME, "
            "rows of a CSV with the same value there; or a regular expression with one group, such as "
            "'(patient[0-9]+)'."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    link: Annotated[bool, typer.Option("--link", help="Make hard links of the pictures in place of copies.")] = False,
) -> None:
    """Write a data set in another format, with its pictures, into a new folder.

    It is read again and compared before the folder gets its name; what the format cannot carry is said. A picture that
    cannot be read is left out and reported, and the exit code is 2.

    \b
    Examples:
      convolens convert annotations.json street-yolo --to yolo
      convolens convert photos photos-split --to folders --split 0.8,0.1,0.1 --group-by prefix --link
    """
    from convolens.data.conversion import convert as converted

    found = converted(
        data, out, to=to, format=format, split=_fractions(split), group_by=group_by, seed=seed, link=link
    )  # fmt: skip
    for one in found.skipped:
        tell_failure(f"skipped: {one.reason}")
    tell_written(found.path)
    answer(found)
    if found.left_out:
        raise typer.Exit(2)


def _fractions(split: str | None) -> list[float] | None:
    from convolens.errors import ArgumentError

    try:
        return None if split is None else [float(one) for one in split.split(",")]
    except ValueError:
        raise ArgumentError(f"split: need fractions such as 0.8,0.1,0.1, got {split!r}") from None
