"""Play: pictures tried on a trained model; a wrong class or wrong boxes are corrected, into the data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

import convolens as cl
from convolens.errors import ArgumentError, ConvolensError
from convolens.media.images import read_header
from convolens.media.result_folders import BEST
from convolens.results import Detections, Location, Prediction
from convolens.studio.box_rows import rows_of
from convolens.studio.corrections import correct_boxes, correct_class, data_of
from convolens.studio.made_data import is_of_classes
from convolens.studio.pictures import as_jpeg, need_size, pixels_of, within
from convolens.studio.project import Project
from convolens.studio.rendering import command, page
from convolens.studio.uploads import keep

router = APIRouter(prefix="/teach/play")
SHOWN_SIDE = 900
MOST_CLASSES = 8  # that are shown with their scores
SPARE = 3  # rows for boxes that were missed, where no script makes them
_one_at_a_time = Lock()


@router.get("")
def show(request: Request, run: str, file: str = "", corrected: str = "", into: str = "") -> HTMLResponse:
    """A model, and what it says of a picture."""
    project: Project = request.app.state.project
    path = project.inside(run)
    model = _model(path)
    answer = _answer(project, model, file) if file else None
    found, (data, is_made) = _found(answer), _data(project, path)
    return page(
        request, "teach_play.html", run=run, name=project.title_of(path), file=file, task=model.task,
        classes=list(model.class_names), answer=answer, scores=_scores(answer), found=found,
        rows=[(label, [round(one, 1) for one in corners]) for label, _, corners in found], data=data, is_made=is_made,
        size=read_header(project.inside(file)).size if file else (0, 0),
        corrected=corrected, into=into, spare=SPARE,
        command=command(["predict", run, file or "picture.jpg"]),
        python=f"import convolens as cl\nmodel = cl.load({run!r})\nprint(model.predict({file or 'picture.jpg'!r}))",
    )  # fmt: skip


@router.post("")
def try_one(request: Request, run: Annotated[str, Form()], file: Annotated[list[UploadFile], File()]) -> Response:
    """Keeps a picture to try, and shows what the model says of it."""
    project: Project = request.app.state.project
    [kept, *_] = list(keep(file[:1], project.uploads))
    try:
        need_size(kept)
    except ConvolensError:
        kept.unlink()
        raise
    return _shown(run=run, file=project.name_of(kept))


@router.get("/answer.jpg")
def drawn(request: Request, run: str, file: str) -> Response:
    """The picture, with the boxes that the model found."""
    project: Project = request.app.state.project
    model = _model(project.inside(run))
    if model.task == "classify":
        return as_jpeg(pixels_of(project.inside(file), SHOWN_SIDE))
    return as_jpeg(within(_answer(project, model, file).drawn(), SHOWN_SIDE))


@router.post("/correct")
def correct_one(
    request: Request, run: Annotated[str, Form()], file: Annotated[str, Form()], label: Annotated[str, Form()]
) -> Response:
    """Wrong? It is …: puts the picture into that class."""
    project: Project = request.app.state.project
    path, picture = project.inside(run), project.inside(file)
    model = _model(path)
    if model.task != "classify":
        raise ArgumentError(f"run: need a classifier to correct a class, got one that can {model.task}; draw boxes")
    need_size(picture)
    folder = correct_class(project, path, model.class_names, label, picture)
    return _shown(run=run, file=file, corrected=label, into=folder.name)


@router.post("/boxes")
def correct_some(
    request: Request,
    run: Annotated[str, Form()],
    file: Annotated[str, Form()],
    label: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI's way to say none
    boxes: Annotated[list[str], Form()] = [],  # noqa: B006
) -> Response:
    """Wrong? There is …: puts the picture into the data with these boxes."""
    project: Project = request.app.state.project
    path, picture = project.inside(run), project.inside(file)
    model = _model(path)
    if model.task == "classify":
        raise ArgumentError("run: need a model that finds boxes to correct one, got a classifier")
    rows = rows_of(label, boxes)
    if model.task == "localize" and len(rows) != 1:
        raise ArgumentError(f"boxes: need one box to teach where the object is, got {len(rows)}")
    need_size(picture)
    folder = correct_boxes(project, path, model.class_names, rows, picture)
    return _shown(run=run, file=file, corrected=f"{len(rows)} box{'es' * (len(rows) != 1)}", into=folder.name)


def _model(path: Path) -> Any:
    file = path / BEST if path.is_dir() else path
    if not file.is_file():
        raise ArgumentError(f"run: need a trained model, got {path.name}")
    with _one_at_a_time:
        return _loaded(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(file: Path, changed: int) -> Any:
    return cl.load(file)


def _answer(project: Project, model: Any, file: str) -> Any:
    picture = project.inside(file)
    need_size(picture)
    with _one_at_a_time:
        return model.predict(picture)


def _scores(answer: Any) -> list[tuple[str, float]]:
    if not isinstance(answer, Prediction):
        return []
    return list(zip(answer.labels, answer.scores, strict=True))[:MOST_CLASSES]


def _found(answer: Any) -> list[tuple[str, float, tuple[float, ...]]]:
    """What a localizer or a detector found: class, score and corners."""
    if isinstance(answer, Location):
        return [] if answer.box_xyxy is None else [(answer.label or "", answer.score, answer.box_xyxy)]
    if isinstance(answer, Detections):
        boxes = [tuple(map(float, corners)) for corners in answer.boxes_xyxy]
        return list(zip(answer.labels, map(float, answer.scores), boxes, strict=True))
    return []


def _data(project: Project, run: Path) -> tuple[str, bool]:
    """What the run was trained on, as far as that is in the project; and whether its classes were made here."""
    data = data_of(project, run)
    if data is None or not data.is_relative_to(project.folder):
        return "", False
    return project.name_of(data), data.parent == project.data and data.is_dir() and is_of_classes(data)


def _shown(**query: str) -> Response:
    return RedirectResponse(f"/teach/play?{urlencode(query)}", 303)
