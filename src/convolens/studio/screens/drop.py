"""Drop: a picture or a sound, changed by sliders, and what a trunk sees in it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
import soundfile
from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from convolens.errors import ArgumentError, ConvolensError, FileError, need_one_of
from convolens.media.audio import read_audio
from convolens.studio.changes import CHANGES, Change
from convolens.studio.pictures import as_jpeg, as_png, need_size, pixels_of
from convolens.studio.project import Project
from convolens.studio.rendering import Tab, command, page
from convolens.studio.seeing import look
from convolens.studio.uploads import keep

TABS = (Tab("Drop", "/drop", "a picture or a sound, changed and looked through"),)
router = APIRouter(prefix="/drop")

QUICK_SIDE = 900  # pixels of the longer side while a slider moves
SHOWN_SIDE = 1600  # and when it stands still: what is done to all of the picture is then brought to this
LEARNED_SIDE = 512  # of learned edges, which take about 31 GFLOP for every 224×224 pixels
SECONDS = 30.0  # of a sound that are played
RECENT = 12


@router.get("")
def show(request: Request) -> HTMLResponse:
    """Where to drop something, and what was dropped last."""
    project: Project = request.app.state.project
    files = sorted(project.uploads.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    recent = [(project.name_of(one), one.name) for one in files if not one.name.startswith(".")][:RECENT]
    return page(request, "drop.html", recent=recent, sounds=[name for name, _ in recent if _is_sound(Path(name))])


@router.post("")
def drop(request: Request, file: Annotated[list[UploadFile], File()]) -> Response:
    """Keeps what was dropped, and shows the first."""
    project: Project = request.app.state.project
    kept = list(keep(file, project.uploads))
    for one in kept:
        try:
            _need_readable(one)
        except ConvolensError:
            one.unlink()
            raise
    return RedirectResponse(_address("sound" if _is_sound(kept[0]) else "picture", project.name_of(kept[0])), 303)


@router.get("/picture")
def picture(request: Request, file: str, change: str = "blur") -> HTMLResponse:
    """A picture and what is done to it."""
    path, chosen = _picture(request, file), _change(change, of_sounds=False)
    return page(request, "drop_picture.html", **_shown(request, path, chosen, "picture.jpg"))


@router.get("/picture.jpg")
def changed_picture(request: Request, file: str, change: str = "blur", quick: bool = False) -> Response:
    """The changed picture: quickly, of its small self, while a slider moves; else all of it, then made small."""
    path, chosen = _picture(request, file), _change(change, of_sounds=False)
    side = LEARNED_SIDE if chosen.name == "learned" else QUICK_SIDE if quick else None
    whole = pixels_of(path)
    pixels = pixels_of(path, side)
    values = chosen.scaled(chosen.values(request.query_params), pixels.shape[1] / whole.shape[1])
    result = np.asarray(chosen.run(pixels, values))
    return as_jpeg(result if result.shape[1] <= SHOWN_SIDE else _smaller(result))


@router.get("/original.jpg")
def original(request: Request, file: str) -> Response:
    """The picture as it is."""
    return as_jpeg(pixels_of(_picture(request, file), SHOWN_SIDE))


@router.get("/sound")
def sound(request: Request, file: str, change: str = "echo") -> HTMLResponse:
    """A sound and what is done to it."""
    path, chosen = _existing(request, file), _change(change, of_sounds=True)
    return page(request, "drop_sound.html", **_shown(request, path, chosen, "sound.wav"))


@router.get("/sound.wav")
def changed_sound(request: Request, file: str, change: str = "") -> Response:
    """The changed sound, or the sound itself where no change is named: its first half minute."""
    samples, rate = read_audio(_existing(request, file), seconds=SECONDS)
    if change:
        chosen = _change(change, of_sounds=True)
        samples = np.asarray(chosen.run(samples, rate, chosen.values(request.query_params)))
    wave = BytesIO()
    soundfile.write(wave, samples.clip(-1, 1), rate, format="WAV", subtype="PCM_16")
    return Response(wave.getvalue(), media_type="audio/wav")


@router.get("/changed")
def changed(request: Request, file: str, change: str) -> HTMLResponse:
    """What stands below a changed picture or sound: its plan, and how one does the same."""
    chosen = _change(change, of_sounds=None)
    path = _existing(request, file)
    return page(request, "_changed.html", **_shown(request, path, chosen, ""))


@router.get("/seen")
def seen(
    request: Request, file: str, tap: str = "", channel: int = -1, row: int = -1, column: int = -1
) -> HTMLResponse:
    """What a trunk sees at a tap; with a row and a column, where that cell looks."""
    project: Project = request.app.state.project
    path = _picture(request, file)
    looked = look(path)
    tap = tap or list(looked.taps)[len(looked.taps) // 2]
    need_one_of("tap", tap, looked.taps)
    at = looked.taps[tap]
    height, width = looked.picture.shape[:2]
    cell = None if row < 0 or column < 0 else (row, column, at.field.box(row, column))
    name = project.name_of(path)
    python = (
        f"import convolens as cl\ntrunk = cl.trunk({looked.name!r}, weights={looked.weights!r})\n"
        f"maps = trunk(trunk.preprocess({name!r}), taps={tap!r})[{tap!r}]"
    )
    return page(
        request, "drop_seen.html", file=name, looked=looked, tap=tap, at=at, width=width, height=height, cell=cell,
        channel=channel, command=command(["trace", name, "out.png", "--tap", tap]), python=python,
    )  # fmt: skip


@router.get("/seen.jpg")
def seen_picture(request: Request, file: str) -> Response:
    """The picture as the trunk gets it."""
    return as_jpeg(look(_picture(request, file)).picture)


@router.get("/map.png")
def one_map(request: Request, file: str, tap: str, number: int) -> Response:
    """One map of a tap: the `number`-th strongest."""
    looked = look(_picture(request, file))
    need_one_of("tap", tap, looked.taps)
    maps = looked.taps[tap].maps
    if not 0 <= number < len(maps):
        raise ArgumentError(f"number: need one from 0 to {len(maps) - 1}, got {number}")
    return as_png(maps[number])


def _shown(request: Request, path: Path, change: Change, answer: str) -> dict[str, Any]:
    """What the templates of changes name."""
    name = request.app.state.project.name_of(path)
    values = change.values(request.query_params)
    line, python = change.same(name, f"changed{path.suffix}", values)
    return {
        "file": name,
        "name": path.name,
        "change": change,
        "changes": [one for one in CHANGES.values() if one.of_sounds == change.of_sounds],
        "values": values,
        "address": f"/drop/{answer}?{urlencode({'file': name, 'change': change.name, **values})}",
        "plan": _plan(path, change, values),
        "command": line,
        "python": python,
    }


def _plan(path: Path, change: Change, values: dict[str, float]) -> str:
    if change.plan is None:
        return ""
    if not change.of_sounds:
        return change.plan(pixels_of(path), values).explain()
    samples, rate = read_audio(path, seconds=SECONDS)
    return change.plan(samples, rate, values).explain()


def _change(name: str, *, of_sounds: bool | None) -> Change:
    known = [one.name for one in CHANGES.values() if of_sounds is None or one.of_sounds == of_sounds]
    need_one_of("change", name, known)
    return CHANGES[name]


def _picture(request: Request, name: str) -> Path:
    path = _existing(request, name)
    need_size(path)
    return path


def _existing(request: Request, name: str) -> Path:
    project: Project = request.app.state.project
    path = project.inside(name)
    if not path.is_file():
        raise FileError(f"{name}: need a file, found a folder")
    return path


def _need_readable(path: Path) -> None:
    """Refuses what is neither a picture nor a sound."""
    if _is_sound(path):
        read_audio(path, seconds=0.1)
    else:
        pixels_of(path)


SOUNDS = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".m4a", ".aac"))


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SOUNDS


def _smaller(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    height, width = pixels.shape[:2]
    size = (SHOWN_SIDE, max(1, round(height * SHOWN_SIDE / width)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _address(screen: str, name: str) -> str:
    return f"/drop/{screen}?{urlencode({'file': name})}"
