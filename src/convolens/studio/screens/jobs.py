"""Jobs: what runs and what ran, its progress as it comes, and stopping and resuming it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from convolens.media.result_folders import BEST
from convolens.pages.html import visible
from convolens.studio.jobs.curves import curves
from convolens.studio.jobs.job import Job
from convolens.studio.jobs.progress import progress_of, verdict_of
from convolens.studio.jobs.queue import Queue
from convolens.studio.rendering import Tab, environment, page

TABS = (Tab("Jobs", "/jobs", "what runs and what ran"),)
router = APIRouter(prefix="/jobs")
RESTYLED = "restyled.png"  # as Restyle calls it
EVERY = 0.5  # seconds between two looks


@router.get("")
def show_all(request: Request) -> HTMLResponse:
    """All jobs, the newest first."""
    return page(request, "jobs.html", jobs=request.app.state.queue.jobs())


@router.get("/{number}")
def show(request: Request, number: int) -> HTMLResponse:
    """One job: how far it is, what it said, the command that does the same."""
    queue: Queue = request.app.state.queue
    job = queue.get(number)
    return page(request, "job.html", **_values(queue, job))


@router.get("/{number}/events")
async def follow(request: Request, number: int) -> StreamingResponse:
    """How far a job is, as server-sent events: a fragment whenever it changed, until it is over."""
    queue: Queue = request.app.state.queue
    await run_in_threadpool(queue.get, number)

    async def fragments() -> AsyncIterator[str]:
        before = ""
        while not queue.ended.is_set():
            job, text = await run_in_threadpool(_fragment, queue, number)
            if text != before:
                before = text
                yield _event("over" if job.is_over else "job", text)
            if job.is_over:
                return
            await asyncio.sleep(EVERY)

    return StreamingResponse(fragments(), media_type="text/event-stream")


@router.post("/{number}/stop")
def stop(request: Request, number: int) -> Response:
    """Ends a job as Ctrl-C does."""
    request.app.state.queue.stop(number)
    return RedirectResponse(f"/jobs/{number}", 303)


@router.post("/{number}/resume")
def resume(request: Request, number: int) -> Response:
    """Has a job that was ended go on."""
    return RedirectResponse(f"/jobs/{request.app.state.queue.resume(number)}", 303)


def _fragment(queue: Queue, number: int) -> tuple[Job, str]:
    job = queue.get(number)
    return job, visible(environment().get_template("_job.html").render(**_values(queue, job)))


def _values(queue: Queue, job: Job) -> dict[str, Any]:
    """What the templates of a job name."""
    folder = None if job.folder is None else queue.project.folder / job.folder
    said = queue.said(job.id)
    progress = progress_of(said, folder)
    has_model = folder is not None and (folder / BEST).is_file()
    return {
        "job": job,
        "progress": progress,
        "said": said,
        "lines": curves(progress.rows),
        "has_model": has_model,
        "picture": _drawn_at(folder),
        "verdict": verdict_of(said) if job.kind == "train" and job.is_over else "",
        "python": _python(job),
    }


def _drawn_at(folder: Path | None) -> int:
    """When a restyled picture was written last, as an address that changes with it; 0 where there is none."""
    file = None if folder is None else folder / RESTYLED
    return 0 if file is None or not file.is_file() else file.stat().st_mtime_ns


def _python(job: Job) -> str:
    """The call that a command line stands for, as far as one can say it in a line for any of them."""
    words = ", ".join(map(repr, job.arguments))
    return f"import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'convolens', {words}], check=True)"


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n"
