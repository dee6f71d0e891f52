"""Pictures as files for pages: thumbnails, pictures at the size of a screen, and maps over them."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from PIL import Image
from starlette.exceptions import HTTPException

from convolens.errors import UNREADABLE
from convolens.media.images import read_rgb8
from convolens.studio.gallery.galleries import gallery
from convolens.studio.gallery.heat import Asked
from convolens.studio.gallery.listing import picture_of
from convolens.studio.gallery.results import models_of
from convolens.studio.gallery.view import View
from convolens.studio.screens.data.shared import file_of

LONGEST = 1600  # pixels of the longer side of a picture on a page of its own
SMALL = 320  # pixels of the longer side, up to which it is sent as PNG: every pixel as it is
KEPT = {"Cache-Control": "private, max-age=3600"}  # the address changes with the file

router = APIRouter()


@router.get("/look/{number}/thumbnails/{picture}")
def thumbnail(request: Request, number: int, picture: int) -> Response:
    """A picture small."""
    state = request.app.state
    data = gallery(state.database, number)
    found = picture_of(state.database, View(number), data.classes, picture)
    kept = state.thumbnails.jpeg(file_of(state.project, found.path))
    if kept is None:
        raise HTTPException(404, f"{found.name}: cannot be read as a picture")
    jpeg, stamp = kept
    if request.headers.get("if-none-match") == f'"{stamp}"':
        return Response(status_code=304)
    return Response(jpeg, media_type="image/jpeg", headers=KEPT | {"ETag": f'"{stamp}"'})


@router.get("/look/{number}/shown/{picture}")
def shown(request: Request, number: int, picture: int) -> Response:
    """A picture at the size of a screen."""
    state = request.app.state
    data = gallery(state.database, number)
    found = picture_of(state.database, View(number), data.classes, picture)
    file = file_of(state.project, found.path)
    try:
        pixels, _ = read_rgb8(file, at_least=LONGEST)
    except UNREADABLE as error:
        raise HTTPException(404, str(error)) from error
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    stream, kind = BytesIO(), "PNG" if max(image.size) <= SMALL else "JPEG"
    image.save(stream, kind, quality=90)
    return Response(stream.getvalue(), media_type=f"image/{kind.lower()}", headers=KEPT)


@router.get("/look/{number}/heat/{picture}")
def heat(
    request: Request,
    number: int,
    picture: int,
    model: int,
    target: str = "",
    against: str = "",
    method: str = "auto",
    taps: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI's way to say none
    flip: bool = False,
    small: bool = True,
) -> Response:
    """What spoke for a class, over the picture."""
    state = request.app.state
    data = gallery(state.database, number)
    found = picture_of(state.database, View(number), data.classes, picture)
    models = models_of(state.database, data)
    if model not in models:
        raise HTTPException(404, "no such model")
    wanted = Asked(target, against, method, tuple(taps), flip)
    path = state.project.inside(models[model])
    made = state.heat.shown(path, file_of(state.project, found.path), wanted, small=small)
    return Response(made.jpeg, media_type="image/jpeg", headers=KEPT)
