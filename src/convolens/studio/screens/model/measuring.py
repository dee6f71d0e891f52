"""How good a model is: asked of data, as jobs; and what came of it, each number with its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from convolens.errors import ArgumentError
from convolens.studio.database import Database
from convolens.studio.gallery import asking, reports
from convolens.studio.gallery.filler import UNDER_WAY
from convolens.studio.gallery.galleries import Gallery, galleries, gallery
from convolens.studio.gallery.heat import AUTO, SLOW, methods
from convolens.studio.gallery.listing import page_of
from convolens.studio.gallery.results import models_of
from convolens.studio.gallery.thumbnails import stamp_of
from convolens.studio.gallery.view import View
from convolens.studio.jobs.progress import rows
from convolens.studio.made_data import offered_data
from convolens.studio.rendering import page
from convolens.studio.screens.model.plots import curves, reliability_points

WORST = 12
MOST_DRAWN = 500  # pictures that faithfulness is measured on
LOSSES = ("loss", "train_loss", "validation_loss")
GOOD = ("top1", "macro_f1", "ap", "ap50", "mean_iou", "mean_ap", "validation_top1")
# The whole page that `evaluate --html` makes has its style in itself and no script.
WHOLE_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}

router = APIRouter(prefix="/measure")


@router.get("")
def choose(request: Request, data: int = 0) -> HTMLResponse:
    """Which model on which data."""
    state = request.app.state
    opened = galleries(state.database)
    known = [one for one in opened if one.total]
    paths = {one.path for one in opened}
    unopened = [one for one in offered_data(state.project) if str(state.project.folder / one) not in paths]
    measured = [(one, number, state.project.called(path)) for one in known
                for number, path in models_of(state.database, one).items()]  # fmt: skip
    offered = [state.project.name_of(one) for one in state.project.models()]
    return page(
        request, "measure_choose.html", known=known, chosen=data, unopened=unopened, offered=offered, measured=measured,
        reading=[one.name for one in opened if not one.total and one.state in UNDER_WAY],
    )  # fmt: skip


@router.post("")
def measure(request: Request, data: Annotated[int, Form()], model: Annotated[str, Form()]) -> Response:
    """Asks what the model predicts for all of the data, and how good it is, as two jobs."""
    state = request.app.state
    found, path = gallery(state.database, data), state.project.inside(model)
    split = reports.measured_split(reports.splits_of(state.database, found))
    home = state.project.home
    first = asking.predict(state.database, found, home, path)
    asking.ask(state.database, state.queue, found, first)
    second = asking.evaluate(state.database, found, home, path, split)
    asking.ask(state.database, state.queue, found, second)
    return RedirectResponse(f"/measure/{data}/{first.model}", 303)


@router.post("/{number}/{model}/faithful")
def faithful(
    request: Request,
    number: int,
    model: int,
    count: Annotated[int, Form(ge=1, le=MOST_DRAWN)] = asking.DRAWN,
    slow: Annotated[bool, Form()] = False,
) -> Response:
    """Asks how far each way to explain the model can be trusted, as a job."""
    state = request.app.state
    data, path = _of(state.database, number, model)
    home, file = state.project.home, state.project.inside(path)
    chosen = [one for one in methods() if one != AUTO and (slow or one not in SLOW)]
    question = asking.faithful(state.database, data, home, file, chosen, count)
    asking.ask(state.database, state.queue, data, question)
    return RedirectResponse(f"/measure/{number}/{model}", 303)


@router.get("/{number}/{model}")
def show(request: Request, number: int, model: int, split: str | None = None) -> HTMLResponse:
    """What is known of the model on this data."""
    state = request.app.state
    database: Database = state.database
    data, path = _of(database, number, model)
    splits = reports.splits_of(database, data)
    chosen = reports.measured_split(splits) if split is None else split
    if chosen not in ("", *splits):
        raise ArgumentError(f"split: need one of {', '.join(splits) or 'none'}, got {chosen!r:.40}")
    numbers, whole = reports.measured(database, data, model, "evaluate", chosen)
    trusted, _ = reports.measured(database, data, model, "faithful")
    cells = reports.confusion(database, data, model, chosen) if data.kind == "label" else []
    ranges = reports.reliability(database, data, model, chosen)
    worst_view = View(number, model=model, split=chosen, order="mistake")
    worst = page_of(database, worst_view, data.classes, count=WORST).pictures
    trained = rows(path) if path.is_dir() else []
    arguments = ["evaluate", str(path), data.path, *(["--split", chosen] if chosen else []), "--html", "measured.html"]
    return page(
        request, "measure.html", data=data, model=model, model_name=state.project.called(path), split=chosen,
        splits=splits, numbers=_headline(numbers), per_class=_per_class(numbers, number, model, chosen),
        whole=whole, trusted=_trusted(trusted), cells=[one for one in cells if not one.is_right][: reports.MOST_PAIRS],
        matrix=reports.matrix(data, cells) if 0 < len(data.classes) <= reports.MOST_CLASSES and cells else [],
        points=reliability_points(ranges), worst=worst, worst_view=worst_view,
        stamps={one.id: stamp_of(one.path) or "none" for one in worst},
        losses=curves(trained, LOSSES), goods=curves(trained, GOOD),
        jobs=asking.under_way(database, state.queue, number), command=arguments, drawn=asking.DRAWN,
        most_drawn=MOST_DRAWN, slow=SLOW,
        python=f"import convolens as cl\nmodel = cl.load({str(path)!r})\nprint(cl.evaluate(model, {data.path!r}))",
    )  # fmt: skip


@router.get("/{number}/{model}/page")
def whole_page(request: Request, number: int, model: int, split: str = "") -> Response:
    """The page that `evaluate --html` made."""
    state = request.app.state
    data, _ = _of(state.database, number, model)
    _, found = reports.measured(state.database, data, model, "evaluate", split)
    if found is None or not found.is_file():
        raise HTTPException(404, "nothing was measured yet")
    return Response(state.project.inside(found).read_bytes(), media_type="text/html", headers=WHOLE_PAGE)


@router.get("/{number}/{model}/state")
def state_of(request: Request, number: int, model: int) -> HTMLResponse:
    """The jobs about this data, as a fragment."""
    state = request.app.state
    return page(request, "_under_way.html", jobs=asking.under_way(state.database, state.queue, number))


def _of(database: Database, number: int, model: int) -> tuple[Gallery, Path]:
    data = gallery(database, number)
    models = models_of(database, data)
    if model not in models:
        raise ArgumentError(f"model: need one that was asked about {data.name}, got the number {model}")
    return data, models[model]


def _headline(numbers: list[dict[str, str]] | None) -> list[tuple[str, str]]:
    """The numbers of the whole data, those of most weight first."""
    if not numbers:
        return []
    return [(name, _short(text)) for name, text in numbers[0].items() if name != "class" and text]


def _per_class(numbers: list[dict[str, str]] | None, number: int, model: int, split: str) -> list[dict[str, Any]]:
    """A row for each class, with the view of its pictures."""
    return [
        {"name": row["class"], "query": View(number, label=row["class"], model=model, split=split).query(),
         "numbers": [(name, _short(text)) for name, text in row.items() if name != "class" and text]}
        for row in (numbers or [])[1:]
    ]  # fmt: skip


def _trusted(numbers: dict[str, dict[str, float]] | None) -> list[list[str]]:
    """The faithfulness table: names of columns, then a row for each method."""
    if not numbers:
        return []
    columns = list(dict.fromkeys(name for row in numbers.values() for name in row))
    body = [
        [method, *(f"{row[name]:.3f}" if name in row else "" for name in columns)] for method, row in numbers.items()
    ]
    return [["method", *columns], *body]


def _short(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:,.0f}" if value.is_integer() and abs(value) > 1 else f"{value:.3f}"
