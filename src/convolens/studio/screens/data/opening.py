"""Data chosen, and read in the background."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.studio.gallery import asking
from convolens.studio.gallery.filling import opened
from convolens.studio.gallery.galleries import galleries, gallery
from convolens.studio.made_data import offered_data
from convolens.studio.rendering import page

MOST_OFFERED = 60

router = APIRouter()


@router.get("/look")
def choose_to_look(request: Request) -> HTMLResponse:
    """Data that was opened, and what could be."""
    return _choose(request, "look")


@router.get("/mend")
def choose_to_mend(request: Request) -> HTMLResponse:
    """The same, to mend."""
    return _choose(request, "mend")


@router.post("/look")
def open_data(request: Request, path: Annotated[str, Form()], then: Annotated[str, Form()] = "look") -> Response:
    """Opens data in the project's folder; it is read in the background."""
    state = request.app.state
    number = opened(state.database, state.project.inside(path))
    if gallery(state.database, number).state != "ready":
        state.filler.start(number)
    ways = {"mend": f"/mend/{number}", "measure": f"/measure?data={number}"}
    return RedirectResponse(ways.get(then, f"/look/{number}"), 303)


@router.post("/look/{number}/again")
def read_again(request: Request, number: int) -> Response:
    """Reads data anew, as its files changed; what is known of pictures that are still there stays."""
    request.app.state.filler.start(gallery(request.app.state.database, number).id)
    return RedirectResponse(f"/look/{number}", 303)


@router.get("/look/of/{job}")
def found_by(request: Request, job: int) -> Response:
    """To what a job found: the view that is sorted by it, or the model's measures."""
    state = request.app.state
    about = asking.data_of(state.database, state.queue.get(job))
    if about is None:
        return RedirectResponse("/look", 303)
    data, kind, model = about
    if kind in ("evaluate", "faithful"):
        return RedirectResponse(f"/measure/{data}/{model}", 303)
    order = {"doctor": "order=findings", "labels": "order=wrong"}.get(kind, f"model={model}&order=mistake")
    return RedirectResponse(f"/look/{data}?{order}", 303)


def _choose(request: Request, then: str) -> HTMLResponse:
    state = request.app.state
    known = galleries(state.database)
    for one in known:
        state.filler.go_on(one)
    return page(
        request, "look_choose.html", then=then, known=known, offered=[".", *offered_data(state.project)][:MOST_OFFERED]
    )
