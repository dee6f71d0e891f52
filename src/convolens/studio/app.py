"""The studio put together: every screen's routes, the files they need, and what becomes of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from sqlite3 import OperationalError

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from convolens.errors import ConvolensError
from convolens.studio.database import Database
from convolens.studio.gallery import asking
from convolens.studio.gallery.changes import Keeper
from convolens.studio.gallery.filler import Filler
from convolens.studio.gallery.heat import Heat
from convolens.studio.gallery.thumbnails import Thumbnails
from convolens.studio.jobs.queue import Queue
from convolens.studio.project import Project
from convolens.studio.rendering import page
from convolens.studio.screens import data, drop, jobs, model, restyle, start, take, teach
from convolens.studio.uploads import MOST_FILES

SCREENS = (start, drop, teach, data, model, restyle, take, jobs)  # each has a `router` and its `TABS`
# Requests that are worked on at once. Of many more each would get a small share of the processor, and the pages that
# take longest would come last of all; those who wait are answered in their order.
AT_ONCE = 8
CANNOT = 400  # what the user can mend
# What the parser of forms says where there are more than 1,000 of a kind, and what is meant.
TOO_MANY = {
    "Too many fields": "form: need at most 1,000 fields, got more: a picture may have some 490 boxes here; "
    "mend one with more in its file of annotations",
    "Too many files": f"files: need at most {MOST_FILES} at once, got more than 1,000",
}


def create_app(project: Project) -> FastAPI:
    """The studio of a project. `security.Guard` must stand before it; `serving.py` sees to that.

    Routes find what they share in `request.app.state`: `project`, `database` and `queue`; and `filler`, `changes`,
    `thumbnails` and `heat` of the gallery.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        # One connection stays open: the last that closes would write the log back, and hold everybody up meanwhile.
        to_thread.current_default_thread_limiter().total_tokens = AT_ONCE
        with app.state.queue, app.state.database.reading() as held:
            held.execute("SELECT count(*) FROM job").fetchone()
            yield
        app.state.filler.close()
        app.state.changes.write()
        app.state.database.close()

    app = FastAPI(title="Convolens Studio", docs_url=None, redoc_url=None, lifespan=running)
    app.state.project = project
    app.state.database = Database(project.home)
    app.state.queue = Queue(project, app.state.database)
    app.state.queue.on_done.append(partial(asking.take, app.state.database, app.state.queue))
    app.state.filler = Filler(app.state.database)
    app.state.changes = Keeper(app.state.database, project.home)
    app.state.thumbnails = Thumbnails(project.home)
    app.state.heat = Heat()
    app.state.tabs = [tab for screen in SCREENS for tab in screen.TABS]
    own = Path(str(files("convolens.studio") / "static"))
    app.mount("/static", StaticFiles(directory=own, packages=[("convolens.pages", "static")]), "static")
    for screen in SCREENS:
        app.include_router(screen.router)
    app.add_exception_handler(ConvolensError, _refused)
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(HTTPException, _missing)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """What the user can mend: its one sentence."""
    return _problem(request, str(error), CANNOT)


async def _busy(request: Request, error: Exception) -> Response:
    """Somebody else writes for longer than one waits."""
    return _problem(request, "The studio's database is busy; try again in a moment.", 503)


async def _misunderstood(request: Request, error: Exception) -> Response:
    """A field that is missing or no number."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
    return _problem(request, said, 422)


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = str(error.detail)
    if (error.status_code, said) == (404, "Not Found"):  # Starlette's words where there is no such route
        said = f"There is no page {request.url.path} here."
    return _problem(request, next((words for begin, words in TOO_MANY.items() if said.startswith(begin)), said),
                    error.status_code)  # fmt: skip


def _problem(request: Request, sentence: str, status: int) -> Response:
    """A page, or for a part of one (htmx) a fragment, which says what is wrong."""
    part = request.headers.get("hx-request") == "true" or "text/html" not in request.headers.get("accept", "text/html")
    return page(request, "_problem.html" if part else "problem.html", status, sentence=sentence)
