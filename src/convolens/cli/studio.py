"""`convolens studio`: everything in the browser, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolens.cli.telling import answer_line, tell


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(studio)


def studio(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where your pictures and models are.")] = Path(),
    port: Annotated[int | None, typer.Option(help="Where to listen. Default: the first free one from 8080.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen; another than this machine's own lets others in.")] = (
        "127.0.0.1"
    ),
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
) -> None:
    """Look, teach, mend and take away in the browser, on this machine; Ctrl-C ends it.

    What it keeps is in FOLDER/.studio; other files in FOLDER are read and never changed.

    \b
    Example:
      convolens studio photos
    """
    import webbrowser

    from convolens.studio.project import Project
    from convolens.studio.serving import is_local, serve

    def opened(address: str) -> None:
        answer_line(address)
        if not no_browser:
            webbrowser.open(address)

    if not is_local(host):
        tell(f"note: whoever reaches {host} and has the address below can use this studio; nothing is encrypted")
    serve(Project.in_folder(folder), host=host, port=port, opened=opened)
