"""Why a model said so: one picture, with what spoke for a class, against another class, at any of its taps."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from convolens.errors import ConvolensError
from convolens.studio.gallery.galleries import gallery
from convolens.studio.gallery.heat import AUTO, Asked, methods
from convolens.studio.gallery.listing import picture_of
from convolens.studio.gallery.results import models_of
from convolens.studio.gallery.view import View
from convolens.studio.rendering import page

router = APIRouter(prefix="/explain")


@router.get("/{number}/{picture}")
def show(
    request: Request,
    number: int,
    picture: int,
    model: int = 0,
    target: str = "",
    against: str = "",
    method: str = AUTO,
    taps: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI's way to say none
    flip: bool = False,
) -> HTMLResponse:
    """The picture with its map, and what else can be asked of it."""
    state = request.app.state
    data = gallery(state.database, number)
    models = models_of(state.database, data)
    chosen = model if model in models else next(iter(models), 0)
    found = picture_of(state.database, View(number, model=chosen), data.classes, picture)
    values: dict[str, Any] = {
        "data": data, "picture": found, "models": {key: state.project.called(path) for key, path in models.items()},
        "model": chosen, "target": target, "against": against, "method": method, "taps": taps, "flip": flip,
    }  # fmt: skip
    if not chosen:
        return page(request, "explain_none.html", **values)
    path, wanted = models[chosen], Asked(target, against, method, tuple(taps), flip)
    problem, words, facts = "", "", ((), (), ())
    try:
        facts = state.heat.facts(state.project.inside(path))
        words = state.heat.shown(state.project.inside(path), state.project.inside(found.path), wanted).words
    except ConvolensError as error:
        problem = str(error)
    query = urlencode(
        {"model": chosen, "target": target, "against": against, "method": method, "taps": taps, "flip": flip,
         "small": False}, doseq=True,
    )  # fmt: skip
    arguments = ["explain", str(path), str(found.path), "--out", "why.png"]
    for name, value in (("target", target), ("against", against), ("method", "" if method == AUTO else method)):
        arguments += [f"--{name}", value] if value else []
    for tap in taps:
        arguments += ["--tap", tap]
    arguments += ["--flip"] if flip else []
    said = "".join(f", {name}={value!r}" for name, value in wanted.options().items())
    return page(
        request, "explain.html", **values, problem=problem, words=words, classes=facts[0], known_taps=facts[1],
        usual_taps=facts[2], methods=methods(), query=query, command=arguments,
        python=f"import convolens as cl\nwhy = cl.explain(cl.load({str(path)!r}), {str(found.path)!r}{said})\n"
        'why.save("why.png")',
    )  # fmt: skip
