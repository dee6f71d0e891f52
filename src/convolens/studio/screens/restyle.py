"""Restyle: a picture in the style of others, each where its mask is white; a job that shows the picture so far."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from PIL import Image, ImageOps

from convolens.errors import ArgumentError, FileError
from convolens.media.files import make_folder
from convolens.media.images import read_rgb8, write_image
from convolens.studio.pictures import as_jpeg, need_size, pixels_of
from convolens.studio.project import Project
from convolens.studio.rendering import Tab, command, page
from convolens.studio.uploads import keep

TABS = (Tab("Restyle", "/restyle", "a picture in the style of another"),)
router = APIRouter(prefix="/restyle")
RESTYLED = "restyled"  # in the project's home
OUT = "restyled.png"
SAVE_EVERY = 5  # steps between two pictures to look at
SHOWN_SIDE = 1200

Picture = Annotated[UploadFile, File()]
Further = Annotated[UploadFile | None, File()]


@router.get("")
def show(request: Request) -> HTMLResponse:
    """What is to be restyled, how, and what was."""
    return page(
        request, "restyle.html", jobs=request.app.state.queue.jobs("stylize", 8),
        command=command(["stylize", "photo.jpg", "painting.jpg", "out.png", "--size", "512", "--strength", "0.5"]),
        python="import convolens as cl\nrestyled = cl.stylize('photo.jpg', 'painting.jpg', size=512, strength=0.5)\n"
        "cl.write_image('out.png', restyled)",
    )  # fmt: skip


@router.post("")
def restyle(
    request: Request,
    content: Picture,
    style: Picture,
    style2: Further = None,
    mask: Further = None,
    size: Annotated[int, Form(ge=64, le=4096)] = 512,
    steps: Annotated[int, Form(ge=1, le=1000)] = 40,
    strength: Annotated[float, Form(ge=0, le=1)] = 0.5,
    keep_colors: Annotated[bool, Form()] = False,
) -> Response:
    """Puts it into the queue, and shows it."""
    project: Project = request.app.state.project
    folder = project.home / RESTYLED / secrets.token_hex(6)
    make_folder(folder)
    given = _kept([content, style, style2, mask], folder)
    source, first, second, painted = given
    if source is None or first is None:
        raise ArgumentError("content: need a picture to restyle and one whose style is taken")
    if painted is not None and second is None:
        raise ArgumentError("mask: need a second style, which goes where it is black")
    words = ["stylize", *(project.argument(one) for one in (source, first, folder / OUT))]
    if second is not None:
        words += ["--style2", project.argument(second)]
    for one in () if painted is None else (painted, _inverse(painted)):
        words += ["--mask", project.argument(one)]
    words += [
        "--size",
        str(size),
        "--steps",
        str(steps),
        "--strength",
        f"{strength:g}",
        "--save-every",
        str(SAVE_EVERY),
    ]
    words += ["--keep-colors"] if keep_colors else []
    title = f"Restyle {source.name}"
    number = request.app.state.queue.add("stylize", title, words, again=[*words, "--resume"], folder=folder)
    return RedirectResponse(f"/jobs/{number}", 303)


@router.get("/picture.jpg")
def picture(request: Request, folder: str) -> Response:
    """The picture so far."""
    return as_jpeg(pixels_of(_result(request.app.state.project, folder), SHOWN_SIDE))


@router.get("/picture.png")
def whole(request: Request, folder: str) -> Response:
    """The picture, to keep."""
    path = _result(request.app.state.project, folder)
    head = {"Content-Disposition": f'attachment; filename="{OUT}"'}
    return Response(path.read_bytes(), media_type="image/png", headers=head)


def _kept(uploads: list[UploadFile | None], folder: Path) -> list[Path | None]:
    """The pictures, each refused where it is none; None for what was not given."""
    kept: list[Path | None] = []
    for one in uploads:
        if one is None or not one.filename:
            kept.append(None)
            continue
        [path] = keep([one], folder)
        need_size(path)
        kept.append(path)
    return kept


def _inverse(mask: Path) -> Path:
    pixels, _ = read_rgb8(mask)
    target = mask.with_name("inverse.png")
    write_image(target, np.asarray(ImageOps.invert(Image.fromarray(pixels).convert("L"))))
    return target


def _result(project: Project, folder: str) -> Path:
    path = project.inside(folder) / OUT
    if path.parent.parent != project.home / RESTYLED or not path.is_file():
        raise FileError(f"{folder}: need a folder of something restyled, with a picture in it")
    return path
