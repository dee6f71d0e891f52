"""What the screens on data have in common: the data of an address, its view, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request

from convolens.errors import ArgumentError, FileError
from convolens.studio.database import Database
from convolens.studio.gallery.galleries import Gallery, gallery
from convolens.studio.gallery.results import models_of
from convolens.studio.gallery.view import DECIDED, ORDERS, View
from convolens.studio.jobs.queue import Queue
from convolens.studio.project import Project

EASY = 12  # classes that keys and buttons of their own are for; more are in a list


@dataclass(frozen=True)
class Asked:
    """What a request is about: the project and its jobs, the data, and the view that its query says."""

    project: Project
    database: Database
    queue: Queue
    data: Gallery
    view: View
    models: dict[int, Path]

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the data."""
        return self.data.classes


def asked(request: Request, number: int) -> Asked:
    """What a request is about.

    Raises:
        ArgumentError: there is no such data, or the query is none.
    """
    return asked_by(request, number, dict(request.query_params))


def asked_by(request: Request, number: int, query: dict[str, str]) -> Asked:
    """As `asked`, of a query that came otherwise, as in a form."""
    state = request.app.state
    data = gallery(state.database, number)
    state.project.inside(data.path)
    models = models_of(state.database, data)
    view = View.from_query(number, query)
    for one in (view.model, view.beside):
        if one and one not in models:
            raise ArgumentError(f"model: need one that was asked about {data.name}, got the number {one}")
    return Asked(state.project, state.database, state.queue, data, view, models)


def file_of(project: Project, path: Path) -> Path:
    """A picture's file, links resolved.

    Raises:
        FileError: it is not in the project's folder, as annotations may name any; or it is gone.
    """
    found = project.inside(path)
    if not found.is_file():
        raise FileError(f"{path}: need a picture's file, found none")
    return found


def back_to(address: str, usual: str) -> str:
    """An address of these screens that was given to go back to, or the usual one."""
    known = address.startswith(("/look/", "/mend/", "/measure/")) and "\\" not in address and "\n" not in address
    return address if known else usual


def page_values(one: Asked) -> dict[str, Any]:
    """What the templates of all these screens need."""
    return {
        "data": one.data,
        "view": one.view,
        "model_names": {number: one.project.called(path) for number, path in one.models.items()},
        "orders": {name: words for name, (words, asks) in ORDERS.items()
                   if asks <= len(one.models) and (asks == 0 or one.view.model)},
        "decided": DECIDED,
        "easy": one.classes[:EASY],
    }  # fmt: skip
