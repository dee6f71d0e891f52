"""Explain: which part of the picture made the network say so.

As a picture passes through the network its grid shrinks and its features multiply, and each feature still belongs to a
place. A method weighs the features of a tap; their sum, upsampled to the picture, is the map. `methods.py` lists them.
"""

from __future__ import annotations

from convolens.torch_loading import need_networks

need_networks()

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypedDict, Unpack, overload

from convolens.arrays import as_whole
from convolens.errors import MethodError
from convolens.explanation.explanation import Explanation
from convolens.explanation.faithfulness import Curve, deletion, drop_and_increase, insertion, road
from convolens.explanation.localization_metrics import box_overlap, points_at
from convolens.explanation.methods import METHODS, Method, checked_request
from convolens.explanation.model_randomization import randomized, similarity
from convolens.explanation.objects import explain_objects
from convolens.explanation.runner import run
from convolens.explanation.smoothing import Smoothing
from convolens.explanation.sounds import Frames, SoundExplanation
from convolens.explanation.targets import ClassLike, Question, Scoring
from convolens.media.pixels import Picture, as_pictures
from convolens.models.detect import Detector
from convolens.models.inputs import running_on
from convolens.models.tap_scores import HasTapScores, TapScores, tap_scores
from convolens.models.unusual import Inspector

__all__ = [
    "METHODS",
    "Curve",
    "Explanation",
    "HasTapScores",
    "Method",
    "SoundExplanation",
    "TapScores",
    "box_overlap",
    "deletion",
    "drop_and_increase",
    "explain",
    "explain_by",
    "explain_top",
    "insertion",
    "points_at",
    "randomized",
    "road",
    "similarity",
]


class _Options(TypedDict, total=False):
    target: ClassLike | Scoring | None
    against: ClassLike | None
    counterfactual: bool
    method: str
    taps: str | Sequence[str] | None
    relu_weights: bool
    flip: bool
    noise_samples: int
    seed: int
    batch: int
    device: str


@overload
def explain(model: Detector, images: Picture, **options: Unpack[_Options]) -> list[Explanation]: ...  # type: ignore[overload-overlap]
@overload
def explain(model: Detector, images: Iterable[Picture], **options: Unpack[_Options]) -> list[list[Explanation]]: ...
@overload
def explain(model: TapScores | HasTapScores, images: Picture, **options: Unpack[_Options]) -> Explanation: ...  # type: ignore[overload-overlap]
@overload
def explain(
    model: TapScores | HasTapScores, images: Iterable[Picture], **options: Unpack[_Options]
) -> list[Explanation]: ...
def explain(
    model: TapScores | HasTapScores | Detector,
    images: Picture | Iterable[Picture],
    *,
    target: ClassLike | Scoring | None = None,
    against: ClassLike | None = None,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> Any:
    """Which part of each picture made the network say so.

    Args:
        model: a classifier, localizer or detector, in evaluation mode, or what `convolens.wrap_module` made of a
            module.
        images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for `predict`.
        target: the class to explain, by name or number; None for the likeliest of each picture; or a function from
            the scores `(N, classes)` to `(N,)`.
        against: a class whose score is subtracted: why `target` rather than this.
        counterfactual: shows what speaks against the target instead of for it: the score with the other sign.
        method: one of `METHODS`; `auto` is `cam` where the head allows it, which is exact, and `gradcam` elsewhere; for
            a detector's objects `hirescam`, as `gradcam` shows whatever is like the object, wherever it is.
        taps: whose maps are explained; None takes the head's own. Maps of several taps are added by `cam`, whose sum is
            exact; by the others each is first brought to a maximum of 1. Not for methods that explain by the pixels.
        relu_weights: counts only the features whose weight is positive, for methods that weigh features.
        flip: takes the mean of the map and that of the mirrored picture, mirrored back.
        noise_samples: takes the mean over this many copies of the picture with noise on them; 0 takes the picture
            itself.
        seed: of the noise.
        batch: pictures of one size that go through the network at once.
        device: where to run: `cpu`, `cuda`, …; `auto` is where the model is.

    Returns:
        An `Explanation`, or a list of them in order; of a network that hears a `SoundExplanation`, which says when and
        at which pitch. From a detector a list for each picture: one for each object that
        `predict` finds, likeliest first; with a class as `target`, for those of that class.

    Raises:
        ArgumentError: no such class, method or tap, or a model in training mode.
        MethodError: the method cannot explain this head or target; the message names one that can.
        FileError, ShapeError, DtypeError: as for `predict`; or the map at the tap has only one cell.

    >>> import numpy as np
    >>> from convolens.models.classify import classifier
    >>> why = explain(classifier("resnet18", classes=["cat", "dog"]), np.zeros((48, 64, 3), np.uint8), target="dog")
    >>> why.label, why.heatmap.shape
    ('dog', (48, 64))
    """
    pictures, many = as_pictures(images)
    question, smoothing = Question(target, against, counterfactual), Smoothing(flip, noise_samples, seed)
    found = _each(model, pictures, [method], question, taps, relu_weights, smoothing, batch, device)
    # Of a detector an explanation of each object, of another model the only one.
    several = [of_method if isinstance(model, Detector) else of_method[0] for (of_method,) in found]
    return several if many else several[0]


def explain_top(
    model: TapScores | HasTapScores,
    images: Picture | Iterable[Picture],
    count: int,
    *,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> list[Explanation] | list[list[Explanation]]:
    """The likeliest classes of each picture, each explained; the features are computed once for all of them.

    Args:
        model: as for `explain`, like all arguments but `count`.
        images: one picture or several.
        count: how many classes; fewer where the model has fewer.
        counterfactual: shows what speaks against each class.
        method: one of `METHODS` or `auto`.
        taps: whose maps are explained.
        relu_weights: counts only the features whose weight is positive.
        flip: takes the mean with the mirrored picture's map.
        noise_samples: takes the mean over this number of copies with noise.
        seed: of the noise.
        batch: pictures that go through the network at once.
        device: where to run.

    Returns:
        The explanations, likeliest class first; for several pictures a list of such lists, in order.

    Raises:
        ArgumentError: a count below 1. Others as in `explain`.

    >>> import numpy as np
    >>> from convolens.models.classify import classifier
    >>> model = classifier("resnet18", classes=["cat", "dog", "cow"])
    >>> found = explain_top(model, np.zeros((48, 64, 3), np.uint8), 2)
    >>> [one.label for one in found] == list(model.predict(np.zeros((48, 64, 3), np.uint8), top=2).labels)
    True
    """
    count = as_whole(count, "count", 1)
    if isinstance(model, Detector):
        raise MethodError("model: need a classifier or a localizer, got a detector; use explain")
    pictures, many = as_pictures(images)
    question, smoothing = Question(counterfactual=counterfactual, count=count), Smoothing(flip, noise_samples, seed)
    found = _each(model, pictures, [method], question, taps, relu_weights, smoothing, batch, device)
    several = [of_method for (of_method,) in found]
    return several if many else several[0]


def explain_by(
    model: TapScores | HasTapScores | Detector,
    picture: Picture,
    methods: Sequence[str],
    *,
    count: int | None = None,
    target: ClassLike | None = None,
    against: ClassLike | None = None,
    counterfactual: bool = False,
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
) -> list[list[Explanation]]:
    """One picture by several methods, for which it is decoded and preprocessed once, and the trunk run once.

    Args:
        model: as for `explain`, like all arguments but `methods` and `count`.
        picture: one picture.
        methods: names from `METHODS`, or `auto`.
        count: how many of the likeliest classes to explain, in place of `target`.
        target: the class to explain.
        against: a class whose score is subtracted.
        counterfactual: shows what speaks against it.
        taps: whose maps are explained.
        relu_weights: counts only the features whose weight is positive.
        flip: takes the mean with the mirrored picture's map.
        noise_samples: takes the mean over this number of copies with noise.
        seed: of the noise.

    Returns:
        For each method its explanations: one, or `count`, or of a detector one for each object.

    Errors as in `explain`.
    """
    question, smoothing = Question(target, against, counterfactual, count), Smoothing(flip, noise_samples, seed)
    (found,) = _each(model, [picture], methods, question, taps, relu_weights, smoothing, 1, "auto")
    return found


def _each(
    model: TapScores | HasTapScores | Detector,
    pictures: Iterable[Picture],
    methods: Sequence[str],
    question: Question,
    taps: str | Sequence[str] | None,
    relu_weights: bool,
    smoothing: Smoothing,
    batch: int,
    device: str,
) -> Iterator[list[list[Explanation]]]:
    """The explanations of each picture by each method: one for each target, or of a detector for each object."""
    if isinstance(model, Inspector):
        raise MethodError("model: need scores of classes to explain, got an inspector, whose predict gives the heatmap")
    with running_on(model, device):
        if isinstance(model, Detector):
            if model.preprocessing.sound is not None:
                need = "need a classifier to explain what was heard, got a detector"
                raise MethodError(f"model: {need}, whose predict says when and at which pitch")
            for picture in pictures:
                yield explain_objects(model, picture, methods, question, taps, relu_weights, smoothing)
            return
        explained = tap_scores(model)
        requests = [
            checked_request(explained, method, taps, linear=not callable(question.target), relu_weights=relu_weights)
            for method in methods
        ]
        targets = partial(question.targets, names=explained.class_names)
        if getattr(getattr(model, "preprocessing", None), "sound", None) is None:
            yield from run(explained, pictures, targets, requests, smoothing, batch)
            return
        frames = Frames(model, pictures)
        for of_methods in run(explained, frames, targets, requests, smoothing, batch):
            yield [[frames.explained(one) for one in of_method] for of_method in of_methods]
            frames.done()
