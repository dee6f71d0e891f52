"""A training asked for: data, task, trunk, taps and time become the command line of a job."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.errors import ArgumentError, need_one_of
from convolens.media.result_folders import BEST
from convolens.studio.made_data import all_made, is_of_classes, offered_data
from convolens.studio.project import Project
from convolens.studio.rendering import command, page

PYTHON = 'import convolens as cl\nrun = cl.train("classify", {!r})\nprint(run.load().predict("picture.jpg"))'
router = APIRouter(prefix="/teach")
MOST_MINUTES = 24 * 60
TAUGHT = ("classify", "localize", "detect")  # on data with answers; what is unusual is learned by the command
SMALL = "resnet18"  # the trunk that is taught from nothing

Amount = Literal["head", "all"]


@router.get("")
def show(request: Request, data: str = "", task: str = "classify") -> HTMLResponse:
    """What can be taught, what was, and how to make classes."""
    project: Project = request.app.state.project
    offered = offered_data(project)
    runs = [(project.name_of(one), project.title_of(one)) for one in project.models() if (one / BEST).is_file()]
    first = data or (offered[0] if offered else "photos")
    return page(
        request, "teach.html", offered=offered, chosen=first, task=task, tasks=TAUGHT, trunks=_trunks(),
        runs=runs,
        made=[one.name for one in all_made(project) if is_of_classes(one)],
        boxed=[project.name_of(one) for one in all_made(project) if not is_of_classes(one)],
        jobs=request.app.state.queue.jobs("train", 8),
        command=command(["train", "classify", first]),
        python=PYTHON.format(first),
    )  # fmt: skip


@router.post("/train")
def train(
    request: Request,
    data: Annotated[str, Form()],
    task: Annotated[str, Form()] = "classify",
    trunk: Annotated[str, Form()] = "",
    taps: Annotated[str, Form()] = "",
    amount: Annotated[Amount, Form()] = "head",
    minutes: Annotated[float, Form(gt=0, le=MOST_MINUTES)] = 2,
) -> Response:
    """Puts a training into the queue, and shows it."""
    need_one_of("task", task, TAUGHT)
    project: Project = request.app.state.project
    path = project.inside(data)
    out = _free_run(project, path)
    words = ["train", task, project.argument(path), "--out", project.argument(out)]
    words += _trunk_words(trunk)
    words += [word for tap in taps.replace(",", " ").split() for word in ("--tap", tap)]
    if amount == "all" or task != "classify" or trunk == SMALL:
        words += ["--finetune", "all", "--minutes", f"{minutes:g}", "--checkpoint-seconds", "5"]
    title = f"Teach {path.name}: {task}"
    number = request.app.state.queue.add("train", title, words, again=[*words, "--resume"], folder=out)
    return RedirectResponse(f"/jobs/{number}", 303)


def _trunks() -> list[tuple[str, str]]:
    """Values and words: weights that are on this machine, and one trunk from nothing."""
    from convolens.torch_loading import need_networks

    need_networks("studio")
    from convolens.trunks.weights.loading import is_here
    from convolens.trunks.weights.table import WEIGHTS

    here = [(name, name.replace("/", " with ")) for name, one in WEIGHTS.items() if is_here(one)]
    return [("", "the best that is on this machine"), *here, (SMALL, f"{SMALL} from nothing, for small pictures")]


def _trunk_words(chosen: str) -> list[str]:
    if not chosen:
        return []
    known = [value for value, _ in _trunks() if value]
    if chosen not in known:
        raise ArgumentError(f"trunk: need one of {', '.join(known)}, got {chosen!r:.100}")
    name, _, weights = chosen.partition("/")
    return ["--trunk", name, *(["--weights", weights] if weights else ["--stem", "small"])]


def _free_run(project: Project, data: Path) -> Path:
    name = (data.stem if data != project.folder else "all").lstrip(".-") or "data"
    names = (project.runs / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(one for one in names if not one.exists())
