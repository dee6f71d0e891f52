"""Explanations as one page to leaf through: each picture with its likeliest classes, and where they were seen.

The pictures that went worst come first. What a picture shows is known where its folder has the name of a class;
elsewhere the model's own doubt decides. Only those on the page are explained, the others just predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.explanation import Explanation, HasTapScores, TapScores, explain_by
from convolens.media.draw import overlay
from convolens.media.picture_files import File
from convolens.media.pixels import as_pixels, as_rgb8, over_white
from convolens.media.read_ahead import read_ahead
from convolens.models.detect import Detector
from convolens.models.tap_scores import tap_scores
from convolens.pages import Part, report, skipped_part
from convolens.pages.figures import layered, row
from convolens.pages.figures import named as in_bold
from convolens.pages.pictures import at_page_size
from convolens.sources import Stored

MOST = 200  # pictures on a page: about 20 MB
CLASSES = 3  # of each picture
HELD_BYTES = 256_000_000  # of the pixels of pictures that will be on a page: of photos of a megapixel some eighty


@dataclass(frozen=True)
class _Prediction:
    """What the model predicts for a file: the probability of each class, and which it is if that is known."""

    path: File
    probabilities: Mapping[str, float]
    truth: str | None

    @property
    def doubt(self) -> float:
        """How far the model is from the truth, or, where that is not known, from being sure."""
        known = self.probabilities
        return 1 - (known[self.truth] if self.truth is not None else max(known.values()))

    @property
    def words(self) -> Markup:
        """The file, what it shows, and whether that was predicted."""
        likeliest = max(self.probabilities, key=lambda name: self.probabilities[name])
        if self.truth is None:
            return in_bold(likeliest, self.path.name)
        right = "is" if likeliest == self.truth else f"predicted as {likeliest}, is"
        return in_bold(f"{right} {self.truth}", self.path.name)


class ExplanationPage:
    """The page, made picture by picture.

    Args:
        model: what `explain` takes, no detector.
        methods: as for `explain`; each adds its maps.
        count: how many pictures will come; None where that is not known. Where all have room on the page, each is
            explained as it comes; of more, the worst in the end: the pixels of the worst so far are kept, as many as
            `HELD_BYTES` hold, the others are read again.
        options: as for `explain`. Without a `target` each picture's likeliest classes are explained.

    Raises:
        ArgumentError: the model is a detector.
    """

    def __init__(
        self, model: TapScores | HasTapScores, methods: Sequence[str], count: int | None, options: Mapping[str, Any]
    ) -> None:
        if isinstance(model, Detector):
            raise ArgumentError("--html: need a classifier or a localizer, got a detector; take --out for its objects")
        self.model, self.methods, self.options = model, methods, options
        self.at_once = count is not None and count <= MOST
        self._predictions: list[_Prediction] = []
        self._figures: dict[File, Markup] = {}
        self._held: list[tuple[_Prediction, NDArray[Any]]] = []  # the worst first
        self._skipped: list[tuple[str, str]] = []

    def add(self, file: File, pixels: NDArray[Any]) -> None:
        """A picture. Errors as in `explain`."""
        one = _predict(self.model, file, pixels)
        if self.at_once:
            self._figures[file] = self._figure(one, pixels)
        else:
            self._hold(one, pixels)
        self._predictions.append(one)

    def skip(self, file: File, error: str) -> None:
        """A file that could not be used, and why; it is named at the page's end."""
        self._skipped.append((str(file), error))

    def html(self) -> str:
        """All of it."""
        worst = sorted(self._predictions, key=lambda one: -one.doubt)[:MOST]
        figures = [self._figures[one.path] for one in worst] if self.at_once else list(self._figures_of(worst))
        known = [one for one in self._predictions if one.truth is not None]
        some = len(worst) < len(self._predictions)
        which = f"The worst {len(worst):,} of {len(self._predictions):,}, worst first." if some else "Worst first."
        text = f"{which} Point at a picture or at a class to see what spoke for it."
        parts = [Part("Pictures", text, [row(*figures)] if figures else []), *skipped_part(self._skipped)]
        lead = f"{len(self._predictions):,} pictures"
        if known:
            right = sum(one.doubt == 1 - max(one.probabilities.values()) for one in known)
            lead += f", of {len(known):,} of which the class is known; {right:,} of these are right"
        return report("What the network looked at", f"{lead}.", parts)

    def _hold(self, one: _Prediction, pixels: NDArray[Any]) -> None:
        """Keeps the pixels, if the picture is among the worst so far and there is room for it."""
        self._held.append((one, pixels))
        self._held.sort(key=lambda held: -held[0].doubt)
        while len(self._held) > MOST or sum(pixels.nbytes for _, pixels in self._held) > HELD_BYTES:
            self._held.pop()

    def _figures_of(self, worst: Sequence[_Prediction]) -> Iterator[Markup]:
        held = {one.path: pixels for one, pixels in self._held}

        def pixels_of(one: _Prediction) -> NDArray[Any]:
            return held[one.path] if one.path in held else over_white(as_pixels(one.path))

        for one, pixels in read_ahead(pixels_of, worst):
            yield self._figure(one, pixels)

    def _figure(self, predicted: _Prediction, pixels: NDArray[Any]) -> Markup:
        shown, _ = at_page_size(as_rgb8(pixels), (pixels.shape[1], pixels.shape[0]))
        layers = {}
        for one in self._explanations(pixels):
            known = predicted.probabilities
            likely = f" {known[one.label]:.0%}" if one.label in known else ""
            by = f" · {one.method}" if len(self.methods) > 1 else ""
            layers[f"{one.label}{likely}{by}"] = overlay(shown, one.normalized())  # at the size that is shown
        return layered(shown, layers, predicted.words, describe=predicted.path.name)

    def _explanations(self, pixels: NDArray[Any]) -> Iterator[Explanation]:
        named = self.options.get("target") is not None or self.options.get("against") is not None
        for several in explain_by(self.model, pixels, self.methods, count=None if named else CLASSES, **self.options):
            yield from several


def _predict(model: TapScores | HasTapScores, file: File, pixels: NDArray[Any]) -> _Prediction:
    scores = tap_scores(model)
    with torch.inference_mode():
        probabilities = scores.probabilities(scores(scores.preprocess(pixels)))[0].tolist()
    names = scores.class_names or tuple(map(str, range(len(probabilities))))
    truth = file.folder if isinstance(file, Stored) else file.resolve().parent.name
    return _Prediction(file, dict(zip(names, probabilities, strict=True)), truth if truth in names else None)
