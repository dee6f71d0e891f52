"""`convolens tour`: the guided page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FAILED = 1  # the page stands, but not all of it


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(tour)


def tour(
    out: Annotated[Path, typer.Option(help="Folder for the page and the files it works on.")] = Path("tour"),
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a section to run instead of all; give it again for more.")
    ] = None,
) -> None:
    """Run everything on real sounds and pictures, and make a page of it: OUT/index.html.

    \b
    Example:
      convolens tour --out tour
    """
    import time

    from convolens.media.files import make_folder, writing
    from convolens.media.one_writer import only_writer
    from convolens.progress import watching
    from convolens.tour import choose
    from convolens.tour.guide import visit
    from convolens.tour.page import page

    sections = choose(only)
    make_folder(out)
    start = time.perf_counter()
    visits = []
    with only_writer(out), watching("tour", len(sections)) as work:
        for number, section in enumerate(sections):
            work.update(number, section.title)
            visits.append(visit(section, out))
            work.say(visits[-1].summary())
        with writing(out / "index.html") as draft:
            draft.write_text(page(visits, seconds=time.perf_counter() - start), encoding="utf-8")
    typer.echo((out / "index.html").resolve())
    if any(visited.failure for visited in visits):
        raise typer.Exit(FAILED)
