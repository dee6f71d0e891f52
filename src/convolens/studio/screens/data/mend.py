"""Decisions over all of a data set: what was decided, taken back, and written as new data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from convolens.errors import ArgumentError
from convolens.studio.database import Database
from convolens.studio.gallery import decisions
from convolens.studio.gallery.changes import apply_command, changes_file, formats_for, write_decisions
from convolens.studio.gallery.galleries import Gallery, gallery
from convolens.studio.gallery.view import View
from convolens.studio.rendering import page
from convolens.studio.screens.data.look import grid_values
from convolens.studio.screens.data.shared import asked, back_to
from convolens.studio.uploads import safe_name

Step = Callable[[Database, Gallery], decisions.Decision | None]

router = APIRouter()


@router.get("/mend/{number}")
def show(request: Request, number: int, after: str = "", start: int = 0) -> HTMLResponse:
    """The grid of what is to be decided, the decisions so far, and Write."""
    one = asked(request, number)
    request.app.state.filler.go_on(one.data)
    file = changes_file(one.project.home, one.data)
    target = one.project.data / f"{safe_name(one.data.name)}-mended"
    values = grid_values(one, after, start)
    return page(
        request, "mend.html", **values, screen="mend", formats=formats_for(one.data), file=file,
        target=_free(target).name, apply=apply_command(one.data, file, target, one.data.format),
        apply_python=f"from convolens.labels import apply_changes\napply_changes({str(file)!r}, {one.data.path!r},\n"
        f"              to={str(target)!r})",
    )  # fmt: skip


@router.post("/mend/{number}/undo")
def undo(
    request: Request, number: int, back: Annotated[str, Form()] = "", query: Annotated[str, Form()] = ""
) -> Response:
    """Takes the last decision back, and shows its picture."""
    return _went(request, number, decisions.undo, back, query)


@router.post("/mend/{number}/redo")
def redo(
    request: Request, number: int, back: Annotated[str, Form()] = "", query: Annotated[str, Form()] = ""
) -> Response:
    """Makes the decision that was taken back last once more."""
    return _went(request, number, decisions.redo, back, query)


@router.get("/mend/{number}/counts")
def count(request: Request, number: int) -> Response:
    """How many of each decision there are, as a fragment."""
    state = request.app.state
    found = decisions.counts(state.database, gallery(state.database, number))
    return page(request, "_counts.html", counts=found)


@router.get("/mend/{number}/changes")
def changes(request: Request, number: int) -> Response:
    """The file of decisions, as `convolens apply` takes it."""
    state = request.app.state
    data = gallery(state.database, number)
    file = write_decisions(state.database, data, state.project.home)
    kind = "text/csv" if file.suffix == ".csv" else "application/jsonl"
    named = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.read_bytes(), media_type=kind, headers=named)


@router.post("/mend/{number}/write")
def write(
    request: Request,
    number: int,
    form: Annotated[str, Form()],
    name: Annotated[str, Form()],
    link: Annotated[bool, Form()] = False,
) -> Response:
    """Writes a new data set with the decisions applied, as a job; the old one is only read."""
    state = request.app.state
    data = gallery(state.database, number)
    if not sum(count for decision, count in decisions.counts(state.database, data).items() if decision):
        raise ArgumentError(f"{data.name}: need decisions to write, got none yet")
    if form not in formats_for(data):
        raise ArgumentError(f"form: need one of {', '.join(formats_for(data))}, got {form!r:.40}")
    file = write_decisions(state.database, data, state.project.home)
    target = _free(state.project.data / safe_name(name))
    arguments = apply_command(data, file, target, form) + (["--link"] if link else [])
    job = state.queue.add("apply", f"Write {data.name} as {form}", arguments, folder=target)
    return RedirectResponse(f"/jobs/{job}", 303)


def _free(target: Path) -> Path:
    """The folder, or one with a number behind its name that is not there yet."""
    at, found = 2, target
    while found.exists():
        found, at = target.with_name(f"{target.name}-{at}"), at + 1
    return found


def _went(request: Request, number: int, step: Step, back: str, query: str) -> Response:
    state = request.app.state
    data = gallery(state.database, number)
    made = step(state.database, data)
    if made is not None:
        state.changes.note(data)
    if request.headers.get("hx-request") == "true":
        if made is None:
            raise HTTPException(409, "nothing is left to take back or to make again")
        return Response(str(made.picture), media_type="text/plain")
    view = View.from_query(number, dict(parse_qsl(query))).query()
    usual = (f"/mend/{number}" if made is None else f"/mend/{number}/{made.picture}") + (f"?{view}" if view else "")
    return RedirectResponse(back_to(back, usual), 303)
