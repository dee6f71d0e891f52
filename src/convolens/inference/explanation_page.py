"""Explanations as one page to leaf through: each picture with its likeliest classes, and where they were seen.

The pictures that went worst come first. What a picture shows is known where its folder has the name of a class;
elsewhere the model's own doubt decides. Only those on the page are explained, the others just looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from convolens.errors import ArgumentError
from convolens.explanation import Explanation, HasTapScores, TapScores, explain_by
from convolens.media.draw import overlay
from convolens.media.pixels import as_pixels, as_rgb8, over_white
from convolens.models.detect import Detector
from convolens.models.tap_scores import tap_scores
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
        right = "is" if named == self.truth else f"predicted as {escape(named)}, is"
        return f"<b>{right} {escape(self.truth)}</b> {escape(self.path.name)}"


class ExplanationPage:
    """The page, made picture by picture.

    Args:
        model: what `explain` takes, no detector.
        methods: as for `explain`; each adds its maps.
        count: how many pictures will come. Where all have room on the page, each is explained as it comes; of more,
            the worst are read and explained in the end.
        options: as for `explain`. Without a `target` each picture's likeliest classes are explained.

    Raises:
        ArgumentError: the model is a detector.
    """

    def __init__(
        self, model: TapScores | HasTapScores, methods: Sequence[str], count: int, options: Mapping[str, Any]
    ) -> None:
        if isinstance(model, Detector):
            raise ArgumentError("--html: need a classifier or a localizer, got a detector; take --out for its objects")
        self.model, self.methods, self.options = model, methods, options
        self.at_once = count <= MOST
        self._seen: list[_Seen] = []
        self._figures: dict[Path, str] = {}
        self._skipped: list[tuple[str, str]] = []

    def add(self, file: Path, pixels: NDArray[Any]) -> None:
        """A picture. Errors as in `explain`."""
        seen = _look(self.model, file, pixels)
        if self.at_once:
            self._figures[file] = self._figure(seen, pixels)
        self._seen.append(seen)

    def skip(self, file: Path, error: str) -> None:
        """A file that could not be used, and why; it is named at the page's end."""
        self._skipped.append((file.name, error.removeprefix(f"{file}: ")))

    def html(self) -> str:
        """All of it."""
        worst = sorted(self._seen, key=lambda one: -one.doubt)[:MOST]
        figures = [
            self._figures[one.path] if self.at_once else self._figure(one, over_white(as_pixels(one.path)))
            for one in worst
        ]
        known = [one for one in self._seen if one.truth is not None]
        some = len(worst) < len(self._seen)
        shown = f"The worst {len(worst):,} of {len(self._seen):,}, worst first." if some else "Worst first."
        text = f"{shown} Point at a picture or at a class to see where it was seen."
        parts = [Part("Pictures", text, [row(*figures)] if figures else [])]
        if self._skipped:
            rows = table(("file", "reason"), self._skipped, "")
            parts.append(Part("Skipped", f"{len(self._skipped):,} files.", [rows]))
        lead = f"{len(self._seen):,} pictures"
        if known:
            right = sum(one.doubt == 1 - max(one.likely.values()) for one in known)
            lead += f", of {len(known):,} of which the class is known; {right:,} of these are right"
        return report("What the network looked at", f"{lead}.", parts)

    def _figure(self, seen: _Seen, pixels: NDArray[Any]) -> str:
        layers, shown = {}, _shown(pixels)
        for one in self._explanations(pixels):
            share = f" {seen.likely[one.label]:.0%}" if one.label in seen.likely else ""
            by = f" · {one.method}" if len(self.methods) > 1 else ""
            layers[f"{one.label}{share}{by}"] = overlay(shown, one.normalized())  # at the size that is shown
        return looks(shown, layers, seen.words, describe=seen.path.name)

    def _explanations(self, pixels: NDArray[Any]) -> Iterator[Explanation]:
        named = self.options.get("target") is not None or self.options.get("against") is not None
        for several in explain_by(self.model, pixels, self.methods, count=None if named else CLASSES, **self.options):
            yield from several


def _look(model: TapScores | HasTapScores, file: Path, pixels: NDArray[Any]) -> _Seen:
    subject = tap_scores(model)
    with torch.inference_mode():
        likely = subject.probabilities(subject(subject.preprocess(pixels)))[0].tolist()
    names = subject.class_names or tuple(map(str, range(len(likely))))
    truth = file.resolve().parent.name
    return _Seen(file, dict(zip(names, likely, strict=True)), truth if truth in names else None)


def _shown(pixels: NDArray[Any]) -> UInt8[np.ndarray, "height width 3"]:
    """At the size that a page shows."""
    rgb = as_rgb8(pixels)
    scale = SHOWN_SIDE / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    way = Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(rgb).resize(size, way))
