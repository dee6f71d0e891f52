"""`convolens similar`: the pictures most like one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.networks import AsJson, Batch, Device
from convolens.cli.telling import answer, tell, tell_failure, tell_written


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command()(similar)


def similar(
    picture: Annotated[
        str, typer.Argument(metavar="PICTURE", help="What is looked for; with --groups the first of AMONG.")
    ],
    among: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[AMONG]...",
            help="Pictures, folders, patterns, addresses, shards; or one table of features, .parquet or .npz, with "
            "its own model.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Whose features: a run folder, a .safetensors file, or a trunk: resnet50.")
    ] = "vgg16",
    weights: Annotated[str, typer.Option(help="Of a trunk: a name, such as hed, or a file.")] = "hed",
    tap: Annotated[
        list[str] | None,
        typer.Option(help="Whose features; again for more. Default: the table's, the model's, or conv4_3 of vgg16."),
    ] = None,
    count: Annotated[int, typer.Option(help="How many to name, at most.")] = 10,
    closely: Annotated[
        int,
        typer.Option(
            help="How many of the likest to open again and lay over PICTURE: what shows the same comes first. 0: none."
        ),
    ] = 100,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="A mirrored picture is as alike.")] = True,
    out: Annotated[Path | None, typer.Option(help="Also write a contact sheet, as a picture.")] = None,
    groups: Annotated[
        bool, typer.Option("--groups", help="Name groups of near copies among all pictures: cut, mirrored, recolored.")
    ] = False,
    batch: Batch = 16,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Find the pictures most like one, by what a network's taps give for them.

    A line for each, the likest first: its path, and how alike it is, 1 for the same picture and about 0 for another.
    What shows the same as PICTURE, cut, mirrored, lighter or in a smaller file, comes first and is called the same.
    With --groups, a line for each group of pictures that show the same, whole or a part of it. With a --model that
    hears, of sounds: parts as long as it takes at once, with their times. A file that cannot be read is reported, the
    others are looked through, and the exit code is 2.

    \b
    Examples:
      convolens similar photo.jpg holiday --out alike.jpg
      convolens features vgg16 holiday --tap conv4_3 --out holiday.parquet
      convolens similar photo.jpg holiday.parquet
      convolens similar holiday --groups
      convolens similar owl.wav recordings --model runs/birds
    """
    import json

    from convolens.effects.sounds.hearing import hears
    from convolens.errors import ArgumentError
    from convolens.inference.near_copies import near_copies
    from convolens.inference.similar import similar as looked_for
    from convolens.loading import load
    from convolens.media.files import need_target
    from convolens.media.inputs import given
    from convolens.trunks.registry import TRUNKS
    from convolens.trunks.registry import trunk as make_trunk

    among = [picture, *(among or [])] if groups else among
    if not among:
        raise ArgumentError("among: need pictures to look through after the one that is looked for, or --groups")
    if groups and out is not None:
        raise ArgumentError("out: need a picture that is looked for, to draw what is like it, got --groups")
    with given(picture, *among):
        if out is not None:
            need_target(out)
        known: Any = (
            make_trunk(model, weights=weights, device=device) if model in TRUNKS else load(model, device=device)
        )
        if model == "vgg16" and tap is None and Path(among[0]).suffix.lower() not in (".parquet", ".npz"):
            tap = ["conv4_3"]  # whose features tell pictures apart best, see docs/similar-pictures.md
        if out is not None and hears(known):
            raise ArgumentError("out: means nothing for a network that hears, as there are no pictures; leave it out")
        sources: Any = among[0] if len(among) == 1 else among
        if groups:
            copies = near_copies(known, sources, taps=tap or None, flip=flip, batch=batch)
            for sentence in copies.failed:
                tell_failure(f"error: {sentence}")
            answer(json.dumps(copies.groups, indent=2) if as_json else copies)
            if copies.failed:
                raise typer.Exit(2)
            return
        found = looked_for(
            known, picture, sources, taps=tap or None, count=count, closely=closely, flip=flip, batch=batch
        )
        if found.unopened:
            tell(f"{len(found.unopened)} of the likest could not be looked at again: {found.unopened[0]}")
        for sentence in found.failed:
            tell_failure(f"error: {sentence}")
        if out is not None:
            found.save(out)
            tell_written(out)
    rows = zip(found.paths, found.scores, found.same, strict=True)
    plain = [{"path": path, "score": score, "same": same} for path, score, same in rows]
    answer(json.dumps(plain, indent=2) if as_json else found)
    if found.failed:
        raise typer.Exit(2)
