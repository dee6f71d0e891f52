"""`convolens merge`: the parts of a run that several machines shared, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolens.cli.telling import tell_failure, tell_written


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command()(merge)


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PART...", help="The folders that --shard wrote, all of them.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the whole.")],
) -> None:
    """Put the parts of a run together that several machines shared by --shard.

    Says which parts or files are missing, and which are of another run: nothing is written then, and the exit code is
    2. It is 2 too where pictures failed, whose lines say why.

    \b
    Examples:
      convolens merge part-1 part-2 part-3 --out predicted
    """
    from convolens.inference.merging import merge_parts

    merged = merge_parts(parts, out)
    tell_written(merged.out, f"{merged.pictures:,} pictures, {len(merged.failed):,} failed")
    if merged.failed:
        tell_failure(f"failed: {', '.join(merged.failed[:5])}{' …' if len(merged.failed) > 5 else ''}")
        raise typer.Exit(2)
