"""One picture, large: what is known of it, and what is decided, with keys for everything."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.errors import ArgumentError
from convolens.studio.box_rows import rows_of
from convolens.studio.gallery import decisions
from convolens.studio.gallery.listing import neighbor_of, picture_of
from convolens.studio.gallery.thumbnails import stamp_of
from convolens.studio.rendering import page
from convolens.studio.screens.data.look import render_cards
from convolens.studio.screens.data.shared import Asked, asked, asked_by, page_values

SPARE = 3  # rows for new boxes, where no script makes them

router = APIRouter()


@router.get("/mend/{number}/{picture}")
def show(request: Request, number: int, picture: int) -> HTMLResponse:
    """The picture with its neighbors in the view."""
    one = asked(request, number)
    found = picture_of(one.database, one.view, one.classes, picture)
    before, behind = (neighbor_of(one.database, one.view, one.classes, picture, onward=way) for way in (False, True))
    like = [picture_of(one.database, one.view, one.classes, each) for each in found.likenesses if each is not None]
    return page(
        request, "picture.html", **page_values(one), picture=found, before=before, behind=behind, like=like,
        objects=[(each.label, each.xyxy) for each in found.shown_objects],
        stamp=stamp_of(found.path) or "none", spare=SPARE, heat=one.view.model,
        python=f"import convolens as cl\npixels = cl.read_image({str(found.path)!r})\nprint(pixels.shape)",
        command=["doctor", one.data.path, "--html", "doctor.html"],
    )  # fmt: skip


@router.post("/mend/{number}/{picture}")
def decide(
    request: Request,
    number: int,
    picture: int,
    decision: Annotated[str, Form()],
    label: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI's way to say none
    boxes: Annotated[list[str], Form()] = [],  # noqa: B006
    query: Annotated[str, Form()] = "",
    screen: Annotated[str, Form()] = "mend",
) -> Response:
    """Decides, writes the file of decisions, and goes to the next picture of the view; or gives the new card."""
    one = asked_by(request, number, dict(parse_qsl(query)))
    _decided(one, picture, decision, label, boxes)
    request.app.state.changes.note(one.data)
    if request.headers.get("hx-request") == "true":
        found = picture_of(one.database, one.view, one.classes, picture)
        return HTMLResponse(render_cards(one, (found,), "mend" if screen == "mend" else "look"))
    behind = neighbor_of(one.database, one.view, one.classes, picture, onward=True)
    where = f"/mend/{number}" if behind is None else f"/mend/{number}/{behind}"
    return RedirectResponse(f"{where}?{one.view.query()}" if one.view.query() else where, 303)


@router.get("/mend/{number}/{picture}/card")
def card(request: Request, number: int, picture: int, screen: str = "mend") -> HTMLResponse:
    """The picture as the grid has it."""
    one = asked(request, number)
    found = picture_of(one.database, one.view, one.classes, picture)
    return HTMLResponse(render_cards(one, (found,), "mend" if screen == "mend" else "look"))


def _decided(one: Asked, picture: int, decision: str, label: list[str], boxes: list[str]) -> None:
    if decision == "keep":
        decisions.keep(one.database, one.data, picture)
    elif decision == "set aside":
        decisions.set_aside(one.database, one.data, picture)
    elif decision == "relabel":
        decisions.relabel(one.database, one.data, picture, [name for name in label if name])
    elif decision == "fix":
        decisions.fix(one.database, one.data, picture, rows_of(label, boxes))
    else:
        raise ArgumentError(f"decision: need keep, relabel, fix or set aside, got {decision!r:.40}")
