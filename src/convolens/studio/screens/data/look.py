"""The grid: a view of the data, page by page, and what more can be asked of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.studio.gallery import asking
from convolens.studio.gallery.decisions import counts
from convolens.studio.gallery.galleries import gallery
from convolens.studio.gallery.listing import PAGE, count_of, page_of
from convolens.studio.gallery.reports import splits_of
from convolens.studio.gallery.results import kinds_of_findings
from convolens.studio.gallery.thumbnails import stamp_of
from convolens.studio.rendering import environment, page
from convolens.studio.screens.data.shared import Asked, asked, page_values

router = APIRouter()


@router.get("/look/{number}")
def show(request: Request, number: int, after: str = "", start: int = 0) -> HTMLResponse:
    """A page of the view, as a whole screen."""
    one = asked(request, number)
    request.app.state.filler.go_on(one.data)
    return page(request, "look.html", **grid_values(one, after, start), **_asks(one), screen="look")


@router.get("/look/{number}/cards")
def cards(request: Request, number: int, start: int = 0, screen: str = "look") -> HTMLResponse:
    """A page of the view, as a fragment, for those who scroll."""
    one = asked(request, number)
    found = page_of(one.database, one.view, one.classes, start=start)
    return HTMLResponse(render_cards(one, found.pictures, "mend" if screen == "mend" else "look"))


@router.get("/look/{number}/state")
def state_of(request: Request, number: int) -> HTMLResponse:
    """How far the reading is, and the jobs about this data; as a fragment."""
    one = asked(request, number)
    jobs = asking.under_way(one.database, one.queue, number)
    return page(request, "_look_state.html", data=one.data, jobs=jobs, read=_read(one), view=one.view)


@router.post("/look/{number}/ask")
def ask(
    request: Request,
    number: int,
    kind: Annotated[str, Form()],
    model: Annotated[str, Form()] = "",
) -> Response:
    """Puts a job into the queue: the doctor, wrong labels, or a model's predictions."""
    state = request.app.state
    data, home = gallery(state.database, number), state.project.home
    if kind == "labels":
        question = asking.labels(data, home, model=state.project.inside(model) if model else None)
    elif kind == "predict":
        question = asking.predict(state.database, data, home, state.project.inside(model))
    else:
        question = asking.doctor(data, home)
    asking.ask(state.database, state.queue, data, question)
    return RedirectResponse(f"/look/{number}", 303)


def grid_values(one: Asked, after: str = "", start: int = 0) -> dict[str, Any]:
    """What the template of a grid needs."""
    found = page_of(one.database, one.view, one.classes, after=after, start=start)
    total = one.data.total if one.data.state == "ready" else None
    return page_values(one) | {
        "cards": render_cards(one, found.pictures, "look"),
        "pictures": found.pictures,
        "after": found.after,
        "start": start,
        "size": PAGE,
        "matching": count_of(one.database, one.view, one.classes, total),
        "read": _read(one),
        "splits": splits_of(one.database, one.data),
        "kinds": kinds_of_findings(one.database, one.data),
        "counts": counts(one.database, one.data),
        "jobs": asking.under_way(one.database, one.queue, one.data.id),
        "python": _python(one),
        "command": _command(one),
    }


def render_cards(one: Asked, pictures: tuple[object, ...], screen: str) -> str:
    """Some pictures as a list."""
    template = environment().get_template("_cards.html")
    stamps = {picture.id: stamp_of(picture.path) or "none" for picture in pictures}  # type: ignore[attr-defined]
    return template.render(pictures=pictures, view=one.view, data=one.data, screen=screen, stamps=stamps)


def _asks(one: Asked) -> dict[str, Any]:
    models = [(one.project.name_of(path), path) for path in one.project.models()]
    return {
        "offered_models": [name for name, _ in models],
        "asked": {one.project.called(path) for path in one.models.values()},
    }


def _read(one: Asked) -> int:
    """How many pictures were read so far."""
    if one.data.state == "ready":
        return one.data.total
    with one.database.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM pictures WHERE data = ?", (one.data.id,)).fetchone()[0])


def _command(one: Asked) -> list[str]:
    if one.view.order in ("wrong",):
        return ["doctor", one.data.path, "--labels", "--html", "labels.html"]
    if one.view.model:
        return ["predict", str(one.models[one.view.model]), one.data.path, "--out", "predicted"]
    return ["doctor", one.data.path, "--html", "doctor.html"]


def _python(one: Asked) -> str:
    """Three lines that choose the same pictures, as far as data alone says."""
    conditions = []
    if one.view.label and one.view.label != "-":
        conditions.append(
            f"{one.data.classes.index(one.view.label) if one.view.label in one.data.classes else -1} in one.labels"
        )
    if one.view.split:
        conditions.append(f"one.split == {one.view.split!r}")
    if one.view.order == "wrong":
        return f"from convolens.labels import check_labels\nfound = check_labels({one.data.path!r})\nprint(found)"
    if one.view.model:
        model = str(one.models[one.view.model])
        return f"import convolens as cl\nmodel = cl.load({model!r})\nprint(model.predict({one.data.path!r}))"
    chosen = f"[one.path for one in data.examples{' if ' + ' and '.join(conditions) if conditions else ''}]"
    return f"from convolens.data import read_data\ndata = read_data({one.data.path!r})\nprint({chosen})"
