"""Start: what one can do here, and what there is to go on with."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from convolens.studio.gallery.galleries import galleries
from convolens.studio.project import Project
from convolens.studio.rendering import Tab, page

TABS: tuple[Tab, ...] = ()  # the name of the studio leads here
router = APIRouter()
MOST = 6  # models and data sets that are named


@router.get("/")
def show(request: Request) -> HTMLResponse:
    """All screens, with a few words each."""
    project: Project = request.app.state.project
    models = [(project.name_of(one), project.title_of(one)) for one in project.models()[:MOST]]
    known = [one for one in galleries(request.app.state.database) if one.total][:MOST]
    return page(request, "start.html", folder=project.folder.name or "/", models=models, known=known)
