"""Classes made on the spot: named, filled by dropping pictures or by the camera, and looked through."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.studio import made_data
from convolens.studio.pictures import as_jpeg, pixels_of
from convolens.studio.rendering import command, page

PYTHON = 'import convolens as cl\nrun = cl.train("classify", {!r})\nprint(run.load().predict("picture.jpg"))'
router = APIRouter(prefix="/teach/data")
MOST_SHOWN = 40  # pictures of a class
THUMBNAIL = 160  # pixels
ENOUGH = 2  # pictures of every class, of which one is learned and one measured on


@router.post("")
def make(request: Request, classes: Annotated[str, Form()], name: Annotated[str, Form()] = "") -> Response:
    """Makes a data set with empty classes, a line or a comma between their names."""
    folder = made_data.make(request.app.state.project, name, classes.replace(",", "\n").splitlines())
    return _shown(folder.name)


@router.post("/boxes")
def make_with_boxes(
    request: Request,
    name: Annotated[str, Form()],
    classes: Annotated[str, Form()],
    file: Annotated[list[UploadFile], File()],
) -> Response:
    """Makes data of pictures in which boxes are to be drawn."""
    names = classes.replace(",", "\n").splitlines()
    made_data.make_with_boxes(request.app.state.project, name, names, file)
    return RedirectResponse("/teach#with-boxes", 303)


@router.get("/{name}")
def show(request: Request, name: str) -> HTMLResponse:
    """The classes with their pictures."""
    project = request.app.state.project
    folder = made_data.made(project, name)
    classes = made_data.classes_of(folder)
    short = [one.name for one in classes if len(one.pictures) < ENOUGH]
    data = project.name_of(folder)
    return page(
        request, "teach_data.html", name=name, data=data, classes=classes, short=short, most=MOST_SHOWN,
        command=command(["train", "classify", data]),
        python=PYTHON.format(data),
    )  # fmt: skip


@router.get("/{name}/picture.jpg")
def picture(request: Request, name: str, label: str, picture: str) -> Response:
    """A picture of a class, small."""
    folder = made_data.class_folder(made_data.made(request.app.state.project, name), label)
    return as_jpeg(pixels_of(request.app.state.project.inside(folder / picture), THUMBNAIL))


@router.post("/{name}/class")
def add_class(request: Request, name: str, label: Annotated[str, Form()]) -> Response:
    """A further class."""
    made_data.add_class(made_data.made(request.app.state.project, name), label)
    return _shown(name)


@router.post("/{name}/add")
def add(
    request: Request, name: str, label: Annotated[str, Form()], file: Annotated[list[UploadFile], File()]
) -> Response:
    """Puts pictures into a class."""
    made_data.add(made_data.made(request.app.state.project, name), label, file)
    return _shown(name, _place(request, name, label))


@router.post("/{name}/remove")
def remove(request: Request, name: str, label: Annotated[str, Form()], picture: Annotated[str, Form()]) -> Response:
    """Takes a picture out of a class."""
    made_data.remove(made_data.made(request.app.state.project, name), label, picture)
    return _shown(name, _place(request, name, label))


def _place(request: Request, name: str, label: str) -> str:
    """Where on the page a class is, so that one who fills the last of many is not led back to the first."""
    names = [one.name for one in made_data.classes_of(made_data.made(request.app.state.project, name))]
    return f"#class-{names.index(label) + 1}"


def _shown(name: str, place: str = "") -> Response:
    return RedirectResponse(f"/teach/data/{quote(name, safe='')}{place}", 303)
