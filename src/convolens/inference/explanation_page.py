"""Explanations as one page to leaf through: each picture with its likeliest classes, and where they were seen.

The pictures that went worst come first. What a picture shows is known where its folder has the name of a class;
elsewhere the model's own doubt decides. Only those on the page are explained, the others just looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.errors import ArgumentError, FileError, ShapeError
from convolens.explanation import Explainable, Explanation, HasExplained, explain, explain_top
from convolens.explanation.subject import FindsObjects
from convolens.media.pixels import as_pixels, as_rgb8, over_white
from convolens.pages import Part, report
from convolens.pages.figures import looks, row, table
from convolens.pages.pictures import SHOWN_SIDE

MOST = 200  # pictures on a page: about 20 MB
CLASSES = 3  # of each picture


@dataclass(frozen=True)
class _Seen:
    """What the model makes of a file: how likely each class is, and which it is if that is known."""

    path: Path
    likely: Mapping[str, float]
    truth: str | None

    @property
    def doubt(self) -> float:
        """How far the model is from the truth, or, where that is not known, from being sure."""
        return 1 - (self.likely[self.truth] if self.truth is not None else max(self.likely.values()))

    @property
    def words(self) -> str:
        """The file, what it shows, and whether that was seen."""
        named = max(self.likely, key=lambda name: self.likely[name])
        if self.truth is None:
            return f"<b>{escape(named)}</b> {escape(self.path.name)}"
        right = "is" if named == self.truth else f"taken for {escape(named)}, is"
        return f"<b>{right} {escape(self.truth)}</b> {escape(self.path.name)}"


def explanation_page(
    model: Explainable | HasExplained, files: Sequence[Path], methods: Sequence[str] = ("auto",), **options: Any
) -> tuple[str, list[str]]:
    """The page, and the errors of files that could not be read.

    Args:
        model: what `explain` takes.
        files: pictures; those that cannot be read are named at its end.
        methods: as for `explain`; each adds its maps.
        options: as for `explain`. Without a `target` each picture's likeliest classes are explained.

    Raises:
        ArgumentError, MethodError: as for `explain`; or the model is a detector.
    """
    if isinstance(model, FindsObjects):
        raise ArgumentError("--html: need a classifier or a localizer, got a detector; take --out for its objects")
    subject = model.explained() if isinstance(model, HasExplained) else model
    seen, skipped, errors = [], [], []
    for file in files:
        try:
            seen.append(_look(subject, file))
        except (FileError, ShapeError) as error:
            errors.append(str(error) if str(file) in str(error) else f"{file}: {error}")
            skipped.append((file.name, str(error).removeprefix(f"{file}: ")))
    worst = sorted(seen, key=lambda one: -one.doubt)[:MOST]
    figures = [_figure(model, one, methods, options) for one in worst]
    known = [one for one in seen if one.truth is not None]
    shown = f"The worst {len(worst):,} of {len(seen):,}, worst first." if len(worst) < len(seen) else "Worst first."
    text = f"{shown} Point at a picture or at a class to see where it was seen."
    parts = [Part("Pictures", text, [row(*figures)] if figures else [])]
    if skipped:
        parts.append(Part("Skipped", f"{len(skipped):,} files.", [table(("file", "reason"), skipped, "")]))
    lead = f"{len(seen):,} pictures"
    if known:
        right = sum(one.doubt == 1 - max(one.likely.values()) for one in known)
        lead += f", of {len(known):,} of which the class is known; {right:,} of these were named rightly"
    return report("What the network looked at", f"{lead}.", parts), errors


def _look(model: Explainable, file: Path) -> _Seen:
    with torch.inference_mode():
        likely = model.probabilities(model(model.preprocess(over_white(as_pixels(file)))))[0].tolist()
    names = model.class_names or tuple(map(str, range(len(likely))))
    truth = file.resolve().parent.name
    return _Seen(file, dict(zip(names, likely, strict=True)), truth if truth in names else None)


def _figure(model: Explainable | HasExplained, seen: _Seen, methods: Sequence[str], options: Mapping[str, Any]) -> str:
    layers = {}
    for method in methods:
        for one in _explained(model, seen.path, method, options):
            share = f" {seen.likely[one.label]:.0%}" if one.label in seen.likely else ""
            layers[f"{one.label}{share}{f' · {one.method}' if len(methods) > 1 else ''}"] = _shown(one.overlay())
    picture = _shown(over_white(as_pixels(seen.path)))
    return looks(picture, layers, seen.words, describe=seen.path.name)


def _explained(
    model: Explainable | HasExplained, path: Path, method: str, options: Mapping[str, Any]
) -> Sequence[Explanation]:
    if options.get("target") is not None or options.get("against") is not None:
        return [explain(model, path, method=method, **options)]
    others = {name: value for name, value in options.items() if name not in ("target", "against")}
    found: Any = explain_top(model, path, CLASSES, method=method, **others)
    return list(found)


def _shown(pixels: NDArray[Any]) -> UInt8[np.ndarray, "height width 3"]:
    """At the size that a page shows."""
    rgb = as_rgb8(pixels)
    scale = SHOWN_SIDE / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    way = Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(rgb).resize(size, way))
