"""What Drop's sliders do: for each change its sliders, the function that does it, and how one says the same oneself."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convolens as cl
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.effects.sounds.room_response import room_response
from convolens.planning import Plan

ROOM = 44100  # frames a second that a room is made with, as `cl.reverb` brings it to the sound's own


@dataclass(frozen=True)
class Slider:
    """A number that is chosen by a slider; `length` says that it is in pixels of the picture."""

    name: str
    label: str
    least: float
    most: float
    step: float
    usual: float
    length: bool = False

    def within(self, value: float) -> float:
        """The value, brought into the slider's range; the usual one for what is no number."""
        return min(max(value, self.least), self.most) if np.isfinite(value) else self.usual


@dataclass(frozen=True)
class Change:
    """Something that is done to a picture or a sound.

    Attributes:
        name: in addresses.
        title: on the page.
        sliders: its numbers.
        of_sounds: whether it is done to sounds.
        run: from the picture, or samples and rate, and the values by name to the result.
        command: the line that does the same; `{in}`, `{out}` and the values are put in.
        python: likewise, in three lines.
        plan: the plan of its convolution, from what `run` takes; None where it is more than one.
    """

    name: str
    title: str
    sliders: tuple[Slider, ...]
    of_sounds: bool
    run: Callable[..., NDArray[Any]]
    command: str
    python: str
    plan: Callable[..., Plan] | None = None

    def values(self, given: Mapping[str, str]) -> dict[str, float]:
        """The sliders' values, from a query; what is missing or no number is the usual one."""
        return {one.name: one.within(_number(given.get(one.name), one.usual)) for one in self.sliders}

    def scaled(self, values: Mapping[str, float], scale: float) -> dict[str, float]:
        """The values for a picture that was made smaller by a factor."""
        lengths = {one.name for one in self.sliders if one.length}
        return {name: value * scale if name in lengths else value for name, value in values.items()}

    def same(self, source: str, target: str, values: Mapping[str, float]) -> tuple[str, str]:
        """The command and the lines of Python that do the same."""
        texts = {name: f"{value:g}" for name, value in values.items()}
        return (
            self.command.format(source=shlex.quote(source), target=shlex.quote(target), **texts),
            self.python.format(source=repr(source), target=repr(target), **texts),
        )


def _number(text: str | None, usual: float) -> float:
    try:
        return usual if text is None else float(text)
    except ValueError:
        return usual


def _blurred(picture: NDArray[np.uint8], values: Mapping[str, float]) -> NDArray[Any]:
    return cl.blur(picture, values["sigma"])


def _plan_of_blur(picture: NDArray[np.uint8], values: Mapping[str, float]) -> Plan:
    levels = picture.astype(np.float32)
    kernel = cl.kernel("gaussian", values["sigma"])
    return cl.plan(levels, kernel, "same", axes=(0, 1), boundary="symmetric", tolerance=1e-4)


def _sharpened(picture: NDArray[np.uint8], values: Mapping[str, float]) -> NDArray[Any]:
    return cl.sharpen(picture, values["sigma"], amount=values["amount"])


def _edges(picture: NDArray[np.uint8], values: Mapping[str, float]) -> NDArray[Any]:
    drawn: NDArray[Any] = edge_picture(picture, gain=values["gain"])
    return drawn


def _plan_of_edges(picture: NDArray[np.uint8], values: Mapping[str, float]) -> Plan:
    return cl.plan(picture.astype(np.float32), cl.kernel("sobel-x"), "same", axes=(0, 1), boundary="symmetric")


def _lines(picture: NDArray[np.uint8], values: Mapping[str, float]) -> NDArray[Any]:
    drawn: NDArray[Any] = edge_picture(picture, method="canny", sigma=values["sigma"])
    return drawn


def _beside_learned(picture: NDArray[np.uint8], values: Mapping[str, float]) -> NDArray[Any]:
    from convolens.features.learned_edges import edges_side_by_side  # loads torch

    drawn: NDArray[Any] = edges_side_by_side(picture, gain=_GAIN.usual)
    return drawn


def _echoed(samples: NDArray[np.float32], rate: int, values: Mapping[str, float]) -> NDArray[Any]:
    return cl.echo(samples, rate, values["delay"], values["weight"], feedback=values["feedback"])


def _plan_of_echo(samples: NDArray[np.float32], rate: int, values: Mapping[str, float]) -> Plan:
    kernel = cl.echo_kernel(rate, values["delay"], values["weight"])
    return cl.plan(samples, kernel, axes=0)


def _in_a_room(samples: NDArray[np.float32], rate: int, values: Mapping[str, float]) -> NDArray[Any]:
    wet = values["wet"]
    return cl.reverb(samples, _room(values), dry=1 - wet, wet=wet, rate=rate, impulse_rate=ROOM)


def _plan_of_reverb(samples: NDArray[np.float32], rate: int, values: Mapping[str, float]) -> Plan:
    return cl.plan(samples, _room(values)[:, 0], axes=0)


def _room(values: Mapping[str, float]) -> NDArray[np.float32]:
    room: NDArray[np.float32] = room_response(ROOM, seconds=values["seconds"])
    return room


_SIGMA = Slider("sigma", "Width in pixels (sigma)", 0.5, 60, 0.5, 5, length=True)
_GAIN = Slider("gain", "Brightness", 0.5, 8, 0.1, 2)
_READ = "import convolens as cl\npicture = cl.read_image({source})\n"
_HEAR = "import convolens as cl\nsamples, rate = cl.read_audio({source})\n"
_ROOM_LINE = "from convolens.effects.sounds.room_response import room_response\n"

CHANGES = {
    one.name: one
    for one in (
        Change(
            "blur", "Blur", (_SIGMA,), False, _blurred,
            "convolens blur {source} {target} --sigma {sigma}",
            _READ + "cl.write_image({target}, cl.blur(picture, {sigma}))", _plan_of_blur,
        ),
        Change(
            "sharpen", "Sharpen",
            (Slider("sigma", "Size of the detail in pixels (sigma)", 0.5, 20, 0.5, 1.5, length=True),
             Slider("amount", "Amount", 0, 5, 0.1, 1)),
            False, _sharpened,
            "convolens sharpen {source} {target} --sigma {sigma} --amount {amount}",
            _READ + "cl.write_image({target}, cl.sharpen(picture, {sigma}, amount={amount}))", _plan_of_blur,
        ),
        Change(
            "edges", "Edges", (_GAIN,), False, _edges,
            "convolens edges {source} {target} --gain {gain}",
            _READ + "edges = cl.sobel(picture)  # one map for each color, how steep it is there", _plan_of_edges,
        ),
        Change(
            "lines", "Lines",
            (Slider("sigma", "Size of what counts, in pixels (sigma)", 0.5, 10, 0.5, 1.5, length=True),),
            False, _lines,
            "convolens edges {source} {target} --method canny --sigma {sigma}",
            _READ + "lines = cl.canny(picture, {sigma})",
        ),
        Change(
            "learned", "Sobel beside learned edges", (), False, _beside_learned,
            "convolens edges {source} {target} --learned",
            _READ + "outlines = cl.learned_edges(picture)",
        ),
        Change(
            "echo", "Echo",
            (Slider("delay", "Seconds until the echo", 0.02, 1.5, 0.01, 0.3),
             Slider("weight", "How loud the echo is", 0, 1, 0.05, 0.5),
             Slider("feedback", "What goes round again", 0, 0.9, 0.05, 0)),
            True, _echoed,
            "convolens echo {source} {target} --delay {delay} --weight {weight} --feedback {feedback}",
            _HEAR + "cl.write_audio({target}, cl.echo(samples, rate, {delay}, {weight}, feedback={feedback}), rate)",
            _plan_of_echo,
        ),
        Change(
            "reverb", "Reverb",
            (Slider("seconds", "Seconds until the room is still", 0.2, 5, 0.1, 1.5),
             Slider("wet", "How loud the room is", 0, 1, 0.05, 0.4)),
            True, _in_a_room,
            "convolens reverb {source} room.wav {target} --wet {wet}",
            _HEAR + _ROOM_LINE + "room = room_response(44100, seconds={seconds})  # as a file: cl.write_audio\n"
            "sound = cl.reverb(samples, room, dry=1 - {wet}, wet={wet}, rate=rate, impulse_rate=44100)",
            _plan_of_reverb,
        ),
    )
}  # fmt: skip
