"""Take away: a model's file, ONNX with its proof, a page that runs it, predictions as labels; and data sets."""

from __future__ import annotations

import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse

from convolens.data import FORMATS
from convolens.errors import ArgumentError, FileError, need_one_of
from convolens.media.files import make_folder
from convolens.media.result_folders import BEST
from convolens.studio.made_data import offered_data
from convolens.studio.project import Project
from convolens.studio.rendering import Tab, command, page
from convolens.studio.uploads import safe_name

TABS = (Tab("Take away", "/take", "a model or a data set, to use elsewhere"),)
router = APIRouter(prefix="/take")
TAKEN = "taken"  # in the project's home
WRITTEN = tuple(one.name for one in FORMATS if one.write is not None and one.name != "yolo-seg")
PIECE = 1 << 20
KINDS = ("export", "predicted", "convert")  # of jobs


@router.get("")
def show(request: Request, model: str = "", data: str = "") -> HTMLResponse:
    """The models and the data, and what can be made of them."""
    project: Project = request.app.state.project
    models = [project.name_of(one) for one in project.models()]
    chosen = model or (models[0] if models else "")
    file = _model_file(project, chosen) if chosen else None
    offered = offered_data(project)
    return page(
        request, "take.html", models=models, chosen=chosen, formats=WRITTEN, offered=offered,
        data=data or (offered[0] if offered else ""), classes=_that_hold("label"),
        boxes=_that_hold("boxes"), jobs=_jobs(request),
        size=file.stat().st_size if file else 0, exported=file is not None and file.suffix == ".onnx",
        command=command(["export", chosen or "runs/photos", "photos.onnx", "--page", "photos-page"]),
        python=f"import convolens as cl\nmodel = cl.load({chosen or 'runs/photos'!r})\n"
        "cl.export(model, 'photos.onnx', page='photos-page')",
    )  # fmt: skip


@router.get("/model")
def model_file(request: Request, model: str) -> Response:
    """The model file, to keep."""
    file = _model_file(request.app.state.project, model)
    name = f"{file.parent.name}.safetensors" if file.name == BEST else file.name
    return FileResponse(file, filename=name, media_type="application/octet-stream")


@router.post("/onnx")
def onnx(request: Request, model: Annotated[str, Form()], web_page: Annotated[bool, Form()] = False) -> Response:
    """Has the model written as ONNX, compared with itself by ONNX Runtime; also as a page, where that is wanted."""
    project: Project = request.app.state.project
    name = _called(_model_file(project, model))
    folder = _new_folder(project)
    words = ["export", project.argument(project.inside(model)), project.argument(folder / f"{name}.onnx")]
    words += ["--page", project.argument(folder / f"{name}-page")] if web_page else []
    title = f"{'A page that runs' if web_page else 'ONNX of'} {name}"
    return _queued(request, "export", title, words, folder)


@router.post("/labels")
def labels(
    request: Request,
    model: Annotated[str, Form()],
    pictures: Annotated[str, Form()],
    form: Annotated[str, Form()] = "coco",
) -> Response:
    """Has pictures predicted, and what was predicted written as labels for another tool."""
    need_one_of("form", form, WRITTEN)
    project: Project = request.app.state.project
    _model_file(project, model)
    folder, source = _new_folder(project), project.inside(pictures)
    words = ["predict", *(project.argument(one) for one in (project.inside(model), source))]
    words += ["--out", project.argument(folder / "labels"), "--as", form, "--no-pictures"]
    return _queued(request, "predicted", f"Labels of {source.name} as {form}", words, folder)


@router.post("/data")
def data_set(request: Request, data: Annotated[str, Form()], form: Annotated[str, Form()] = "folders") -> Response:
    """Has a data set written in a format, with its pictures, and compared with what was read."""
    need_one_of("form", form, WRITTEN)
    project: Project = request.app.state.project
    source, folder = project.inside(data), _new_folder(project)
    target = folder / safe_name(source.stem if source.is_file() else source.name)
    words = ["convert", project.argument(source), project.argument(target), "--to", form]
    return _queued(request, "convert", f"{source.name} as {form}", words, folder)


@router.get("/made")
def made(request: Request, folder: str) -> Response:
    """What a job made: its file, or all of its folder as a ZIP."""
    project: Project = request.app.state.project
    found = project.inside(folder)
    if found.parent != project.home / TAKEN:
        raise FileError(f"{folder}: need a folder of something taken away")
    inside = [one for one in sorted(found.rglob("*")) if one.is_file() and not one.name.startswith(".")]
    if not inside:
        raise FileError(f"{folder}: need something that was made there, found nothing yet")
    if len(inside) == 1:
        return FileResponse(inside[0], filename=inside[0].name, media_type="application/octet-stream")
    head = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(inside[0].relative_to(found).parts[0])}.zip"}
    return StreamingResponse(_zipped(found, inside), media_type="application/zip", headers=head)


def _that_hold(kind: str) -> list[str]:
    """The formats that hold one class for each picture (`label`), or boxes."""
    return [one.name for one in FORMATS if one.name in WRITTEN and kind in one.carries]


def _zipped(folder: Path, files: list[Path]) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for one in files:
                archive.write(one, one.relative_to(folder))
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _jobs(request: Request) -> list[object]:
    queue = request.app.state.queue
    found = [job for kind in KINDS for job in queue.jobs(kind, 8)]
    return sorted(found, key=lambda job: job.id, reverse=True)


def _model_file(project: Project, model: str) -> Path:
    path = project.inside(model)
    file = path / BEST if path.is_dir() else path
    if file.suffix not in (".safetensors", ".onnx") or not file.is_file():
        raise ArgumentError(f"model: need a run folder or a model's file, got {model!r:.200}")
    return file


def _called(file: Path) -> str:
    return file.parent.name if file.name == BEST else file.stem


def _new_folder(project: Project) -> Path:
    folder = project.home / TAKEN / secrets.token_hex(6)
    make_folder(folder)
    return folder


def _queued(request: Request, kind: str, title: str, words: list[str], folder: Path) -> Response:
    number = request.app.state.queue.add(kind, title, words, folder=folder)
    return RedirectResponse(f"/jobs/{number}", 303)
