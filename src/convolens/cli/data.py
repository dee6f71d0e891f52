"""`convolens doctor|convert|apply`: what would spoil a training; data in another format, or mended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
        "supervisely, visdrone, crowdhuman, sounds, raven or audacity. Default: what it looks like."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(doctor)
    app.command()(convert)
    app.command()(apply)


def doctor(
    data: Data,
    html: Annotated[Path | None, typer.Option(help="Also write a page with pictures of what was found.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    format: Format = None,  # noqa: A002 - the option's name
    table: Annotated[
        Path | None, typer.Option(help="Also write a row for each place that was found, as .csv or .parquet.")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Look for wrong labels instead: features once, and heads of other folds.")
    ] = False,
    near_copies: Annotated[
        bool,
        typer.Option(
            "--near-copies",
            help="Also look for pictures that show the same, cut, mirrored or recolored, by a network's features.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --labels: the file of doubtful labels to decide on, labels.changes.csv.")
    ] = None,
    trunk: Annotated[
        str | None,
        typer.Option(
            help="With --labels or --near-copies: whose features are looked at. Default: weights at hand, as in train; "
            "for near copies vgg16."
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="With --labels or --near-copies: of the trunk, a name or a file. Default of vgg16: hed."),
    ] = None,
    tap: Annotated[
        list[str] | None,
        typer.Option(
            help="With --labels or --near-copies: of the trunk. Default: two that suit the pictures; for near copies "
            "conv4_3 of vgg16. Give it again for more."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="With --labels: the side in pixels that pictures are brought to.")
    ] = None,
    folds: Annotated[
        int, typer.Option(help="With --labels: parts of the pictures, each judged by heads found on the others.")
    ] = 5,
    model: Annotated[
        str | None,
        typer.Option(help="With --labels, of boxes: a detector to judge them by. Default: one trained for each fold."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="With --labels, of boxes: of training each fold's detector.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="With --labels, of boxes: of training each fold's detector, at most.")
    ] = None,
    at_least: Annotated[
        float, typer.Option(help="With --labels: the probability of being wrong from which a label is named.")
    ] = 0.5,
    accept: Annotated[
        float | None,
        typer.Option(help="With --labels: the probability from which --out says relabel at once. Default: never."),
    ] = None,
    seed: Annotated[int, typer.Option(help="With --labels: of the folds.")] = 0,
    device: Annotated[str, typer.Option(help="With --labels or --near-copies: auto, cpu, cuda.")] = "auto",
) -> dict[str, Any]:
    """Look through pictures and annotations before a network learns from them.

    Opens every file, and reports files that cannot be read, copies, the same picture in two splits, rare classes, boxes
    that cannot be, ids that do not exist. With --labels it looks for labels that are wrong, by features of a network
    that somebody else trained, and for boxes that are invented, missing, shifted or confused, by a detector. With
    --near-copies it names pictures, too, that show the same though they are cut, mirrored, lighter, darker or in other
    colors. Exit code 0: no faults; 1: faults; 2: nothing could be read.

    \b
    Examples:
      convolens doctor photos
      convolens doctor annotations.json --html doctor.html
      convolens doctor photos --near-copies
      convolens doctor photos --labels --out labels.changes.csv
      convolens doctor annotations.json --labels --model runs/street --html boxes.html
    """
    import json

    from convolens.data.sounds import holds_sounds
    from convolens.errors import ArgumentError

    if (labels or near_copies) and holds_sounds(data):
        option = "labels" if labels else "near_copies"
        raise ArgumentError(
            f"{option}: need pictures, got sounds in {data}, of which the doctor hears files and labels"
        )
    given_options = {
        "format": format, "trunk": trunk, "weights": weights, "taps": tap, "size": size, "folds": folds,
        "model": model, "epochs": epochs, "minutes": minutes, "at_least": at_least, "seed": seed, "device": device,
    }  # fmt: skip
    if labels:
        if near_copies:
            raise ArgumentError("near_copies: need it without --labels, got both; look for one after the other")
        _labels(data, given_options, html=html, table=table, out=out, accept=accept, as_json=as_json)
        return {}
    _need_use(given_options | {"out": out, "accept": accept}, near_copies=near_copies)

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
        if near_copies:
            found = _with_near_copies(found, trunk, weights, tap or None, device)
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
    return {"kind": found.facts["kind"]}


_OF_FEATURES = ("trunk", "weights", "taps", "device")  # options that --near-copies takes too


def _need_use(options: dict[str, Any], *, near_copies: bool) -> None:
    """Refuses options that say nothing without --labels, or without that and --near-copies."""
    from convolens.errors import ArgumentError

    usual = {"folds": 5, "at_least": 0.5, "seed": 0, "device": "auto", "format": options["format"]}
    for name, value in options.items():
        if value in (usual.get(name), []) or (near_copies and name in _OF_FEATURES):
            continue
        which = "--labels or --near-copies" if name in _OF_FEATURES else "--labels"
        raise ArgumentError(f"{name}: need {which} for it, got it without")


def _with_near_copies(found: Any, trunk: str | None, weights: str | None, taps: list[str] | None, device: str) -> Any:
    """The diagnosis with what a network's features show: vgg16's, made to find edges, unless another is named."""
    from convolens.inference.copies_in_data import with_cut_copies
    from convolens.trunks.registry import trunk as make_trunk

    if trunk in (None, "vgg16"):
        trunk, weights, taps = "vgg16", weights or "hed", taps or ["conv4_3"]
    return with_cut_copies(found, make_trunk(trunk, weights=weights, device=device), taps=taps, device=device)


def _labels(
    data: Path,
    options: dict[str, Any],
    *,
    html: Path | None,
    table: Path | None,
    out: Path | None,
    accept: float | None,
    as_json: bool,
) -> None:
    import json

    from convolens.errors import ArgumentError
    from convolens.labels import as_page, check_labels
    from convolens.labels.change_files import need_changes_file
    from convolens.labels.changes import need_probability
    from convolens.media.files import need_target, writing
    from convolens.media.inputs import given
    from convolens.media.table_files import need_table, write_table

    if need_probability(accept) is not None and out is None:
        raise ArgumentError("accept: need --out, the file that decisions are written into, got none")
    with given(data):
        for path, need in ((table, need_table), (html, need_target), (out, need_changes_file)):
            if path is not None:
                need(path)
        found = check_labels(data, **{**options, "taps": options["taps"] or None})
        if out is not None:
            found.save(out, accept=accept)
        if table is not None:
            write_table(table, found.rows(), found.columns)
        if html is not None:
            with writing(html) as draft:
                draft.write_text(as_page(found), encoding="utf-8")
    for one in found.skipped:
        tell_failure(f"skipped: {one.reason}")
    for written in filter(None, (out, html, table)):
        tell_written(written)
    answer(json.dumps(found.to_dict(), indent=2, default=str) if as_json else found)
    if found.suspects:
        file = out or "labels.changes.csv"
        where = f"open {html} in a browser" if html else f"write decisions into {file}" if out else "--html or --out"
        tell(f"next: decide ({where}), then convolens apply {file} {data} --to NEW")
        raise typer.Exit(FAULTS)


def apply(
    changes: Annotated[
        Path, typer.Argument(metavar="CHANGES", help="labels.changes.csv, with decisions; or a .jsonl of boxes.")
    ],
    data: Data,
    to: Annotated[Path, typer.Option(help="The new folder; pictures go there too.")],
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(help="What to write: folders, csv, coco, voc, yolo, … Default: the format that DATA has."),
    ] = None,
    data_format: Annotated[str | None, typer.Option(help="DATA's own format. Default: what it looks like.")] = None,
    link: Annotated[bool, typer.Option("--link", help="Make hard links of the pictures in place of copies.")] = False,
) -> None:
    """Write a data set anew with decisions on its labels applied; DATA itself is only read.

    The new data equals the old but for what was relabelled or set aside, in any format that `convolens convert` writes.
    Changes of another data set are refused, and so are those that were applied already. A picture that is no longer
    there is reported, and the exit code is 2.

    \b
    Example:
      convolens apply labels.changes.csv photos --to photos-mended
    """
    from convolens.labels import apply_changes

    found = apply_changes(changes, data, to=to, format=format, data_format=data_format, link=link)
    for path in found.gone:
        tell_failure(f"gone: {path} is in {changes} and no longer in {data}")
    for one in found.written.skipped:
        tell_failure(f"skipped: {one.reason}")
    tell_written(to)
    answer(found)
    if found.gone or found.written.left_out:
        raise typer.Exit(2)


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
