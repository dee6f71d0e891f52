"""Maps of what spoke for a class, laid over pictures: one at a time, by the models that were asked last.

A model is loaded once and kept while it is asked; it takes its own memory in the studio's process. What takes long, as
many pictures or a measurement, is a job.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from convolens.errors import ArgumentError
from convolens.studio.gallery.thumbnails import SIDE, stamp_of

AUTO = "auto"  # the method that suits the model
# Methods that take a pass of the whole network for each feature, patch or step: hundreds a map, and seconds.
SLOW = ("scorecam", "occlusion", "integrated_gradients")
KEPT_MODELS = 2
KEPT_MAPS = 500  # of thumbnails, some 8 kB each
LONGEST = 960  # pixels of a map's longer side on a page of its own


@dataclass(frozen=True)
class Asked:
    """What is to be explained: as of `convolens.explain`; empty is as usual."""

    target: str = ""
    against: str = ""
    method: str = AUTO
    taps: tuple[str, ...] = ()
    flip: bool = False

    def options(self) -> dict[str, Any]:
        """The arguments of `convolens.explain` that are not as usual."""
        given = {"target": self.target, "against": self.against, "taps": list(self.taps), "flip": self.flip}
        return {name: value for name, value in given.items() if value} | (
            {} if self.method == AUTO else {"method": self.method}
        )


@dataclass(frozen=True)
class Shown:
    """A map over its picture, as a JPEG, and what it says in words."""

    jpeg: bytes
    words: str


class Heat:
    """Explanations of a project's models."""

    def __init__(self) -> None:
        self._turn = Lock()  # one network at a time: two would wait for one another's threads
        self._models: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._maps: OrderedDict[tuple[Any, ...], Shown] = OrderedDict()

    def shown(self, model: Path, picture: Path, asked: Asked, *, small: bool = False) -> Shown:
        """The map over the picture, at the size of a thumbnail or of a page.

        Raises:
            ConvolensError: the model or the picture cannot be read, or the question is none.
        """
        key = (model, stamp_of(_file(model)), picture, stamp_of(picture), asked, small)
        with self._turn:
            if key in self._maps:
                self._maps.move_to_end(key)
                return self._maps[key]
            found = _explained(self._model(model), picture, asked, SIDE if small else LONGEST)
            self._maps[key] = found
            while len(self._maps) > KEPT_MAPS:
                self._maps.popitem(last=False)
            return found

    def facts(self, model: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """A model's classes, the taps that can be looked at, and those that are unless others are asked for.

        Raises:
            ConvolensError: it cannot be read, or not be explained.
        """
        from convolens.models.tap_scores import tap_scores

        with self._turn:
            scores = tap_scores(self._model(model))
            return tuple(scores.class_names), tuple(scores.passed_taps), tuple(scores.taps)

    def _model(self, path: Path) -> Any:
        from convolens.models import load

        if path.suffix == ".onnx":
            raise ArgumentError(f"{path}: need a model in torch to explain, got an exported one; take its run folder")
        key = (str(path), stamp_of(_file(path)) or "")
        if key not in self._models:
            self._models[key] = load(path)
            while len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]


def methods() -> Sequence[str]:
    """Ways to explain."""
    from convolens.explanation import METHODS

    return (AUTO, *METHODS)


def _file(model: Path) -> Path:
    from convolens.media.result_folders import BEST

    return model / BEST if model.is_dir() else model


def _explained(model: Any, picture: Path, asked: Asked, side: int) -> Shown:
    import numpy as np

    from convolens.explanation import Explanation, explain
    from convolens.media.draw import draw_boxes, overlay
    from convolens.media.pixels import as_pixels, as_rgb8
    from convolens.pages.pictures import at_page_size

    pixels = as_pixels(picture)
    found = explain(model, pixels, **asked.options())
    objects: list[Explanation] = found if isinstance(found, list) else [found]
    shown, scale = at_page_size(as_rgb8(pixels), (pixels.shape[1], pixels.shape[0]), side)
    for one in objects:
        shown = overlay(shown, one.normalized())
        if one.found_xyxy is not None:
            corners = [[value * scale for value in one.found_xyxy]]
            shown = draw_boxes(shown, np.array(corners), [one.label], [one.probability or 0.0])
    stream = BytesIO()
    Image.fromarray(shown).save(stream, "JPEG", quality=88)
    return Shown(stream.getvalue(), "; ".join(map(str, objects)) or "nothing was found")
