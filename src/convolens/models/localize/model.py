"""The localizer: a trunk, one of its taps, and a head on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

from jaxtyping import Float
from torch import Tensor

from convolens.boxes import corners_of
from convolens.errors import ArgumentError, WeightsError
from convolens.media.files import AnyPath
from convolens.media.pixels import Picture, as_pictures, as_pixels, over_white
from convolens.models.inputs import batches, class_names_of, device_of, evaluating, need_finite
from convolens.models.localize.heads import HIDDEN, PlaceHead, Predictions
from convolens.models.model_file import ModelFile
from convolens.models.tap_scores import TrunkScores
from convolens.models.trunk_model import TrunkModel
from convolens.results import Location as Location
from convolens.results import of_pictures, remembered
from convolens.selection import PRESENT
from convolens.trunks import Preprocessing, Trunk
from convolens.trunks.options import draw, seeded
from convolens.trunks.registry import trunk as make_trunk


class Localizer(TrunkModel):
    """A trunk, one of its taps, and a head on it. Calling it takes a preprocessed batch and gives the raw output.

    Args:
        trunk: the feature extractor; its preprocessing keeps the whole picture.
        head: takes the tap's map, gives `(N, 1 + classes + 4)`, see `Predictions`.
        taps: a name of the trunk's taps, or a sequence of that one.
        class_names: one for each class.
        metrics: what was measured on pictures it was not trained on; kept in the model file.
    """

    task: Literal["localize"] = "localize"

    def __init__(
        self,
        trunk: Trunk,
        head: PlaceHead,
        *,
        taps: str | Sequence[str],
        class_names: Sequence[str],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(trunk, _one_tap(trunk.chosen(taps)), class_names, metrics)
        self.head = head

    def forward(
        self, batch: Float[Tensor, "batch channels height width"], *, pooled: bool = True
    ) -> Float[Tensor, "batch outputs *cells"]:
        """Computes objectness, class scores and box, see `Predictions.of`; with `pooled=False` those of every cell."""
        return self.from_maps(list(self.trunk(batch, taps=self.taps).values()), pooled=pooled)

    def from_maps(self, maps: Sequence[Tensor], *, pooled: bool = True) -> Float[Tensor, "batch outputs *cells"]:
        """Computes the same from the tap's map."""
        found: Tensor = self.head(maps, pooled=pooled)
        return found

    def explained(self) -> TrunkScores:
        """Gives what `convolens.explain` explains: the scores of the classes, given that there is an object."""
        return TrunkScores(self, lambda output: Predictions.of(output).classes, lambda scores: scores.softmax(dim=1))

    @overload
    def predict(self, images: Picture, *, threshold: float = ..., batch: int = ...) -> Location: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], *, threshold: float = ..., batch: int = ...) -> list[Location]: ...
    def predict(
        self, images: Picture | Iterable[Picture], *, threshold: float = PRESENT, batch: int = 16
    ) -> Location | list[Location]:
        """What the pictures show, and where.

        Args:
            images: a picture (path, bytes, open file, Pillow's, array, tensor), or several, as for a classifier.
            threshold: the objectness at or above which an object is named; 0 names one in every picture.
            batch: how many pictures of one size go through the network at once.

        Returns:
            One `Location`; for several pictures a list, in order.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture, or too small for the tap.
        """
        if not 0 <= threshold <= 1:
            raise ArgumentError(f"threshold: need a number from 0 to 1, got {threshold}")
        pictures, many = as_pictures(images)
        found: list[Location] = []
        with evaluating(self):
            for one, items in batches(self._singles(pictures), batch):
                locations = self._locations(self(one), [size for size, _ in items], threshold)
                found += of_pictures(locations, [kept for _, kept in items])
        return found if many else found[0]

    def _singles(self, pictures: Iterable[Picture]) -> Iterator[tuple[Tensor, tuple[tuple[int, int], Picture | None]]]:
        """Yields each picture preprocessed, with its size and what a result keeps of it."""
        for picture, kept in remembered(pictures):
            pixels = over_white(as_pixels(picture))
            yield self.preprocess(pixels), ((pixels.shape[0], pixels.shape[1]), kept)

    def _locations(self, output: Tensor, sizes: Sequence[tuple[int, int]], threshold: float) -> list[Location]:
        predictions = Predictions.of(need_finite(output.float()))
        scores = predictions.classes.softmax(dim=1)
        corners = corners_of(predictions.boxes).clamp(0, 1)
        found = []
        for number, (height, width) in enumerate(sizes):
            objectness, best = float(predictions.object[number].sigmoid()), int(scores[number].argmax())
            x1, y1, x2, y2 = (corners[number] * corners.new_tensor([width, height, width, height])).tolist()
            present = objectness >= threshold
            found.append(
                Location(
                    label=self.class_names[best] if present else None,
                    score=float(scores[number, best]),
                    box_xyxy=(x1, y1, x2, y2) if present else None,
                    objectness=objectness,
                )
            )
        return found

    def _own_facts(self) -> dict[str, Any]:
        return {"head": self.head.kind, "hidden": self.head.hidden}

    @classmethod
    def from_file(cls, file: ModelFile) -> Localizer:
        """Reads the model that `save` wrote.

        Raises:
            WeightsError: a fact or a tensor is missing, of the wrong kind, or does not fit the others.
        """
        class_names, taps = file.words("class_names"), file.words("taps")
        if file.fact("head", str) != PlaceHead.kind or len(taps) != 1 or not class_names:
            raise WeightsError(
                f"{file.path}: need a head {PlaceHead.kind!r} on one tap and names of classes, got "
                f"{file.fact('head', str)!r} on {len(taps)} and {len(class_names)} names; train it again"
            )

        def make(trunk: Trunk) -> Localizer:
            head = PlaceHead(trunk.channels(taps[0]), len(class_names), file.fact("hidden", int))
            _need_whole(trunk.preprocessing)
            return cls(trunk, head, taps=taps, class_names=class_names, metrics=file.fact("metrics", dict))

        return file.build(make)


def localizer(
    trunk: str | Trunk,
    *,
    classes: Sequence[str] | int,
    weights: AnyPath | None = None,
    taps: str | Sequence[str] | None = None,
    hidden: int = HIDDEN,
    seed: int = 0,
    device: str = "auto",
) -> Localizer:
    """A localizer on a trunk with an untrained head, in evaluation mode.

    Args:
        trunk: its name, or one that is already made.
        classes: names of what there is to find, or how many there are.
        weights: a name from the weights table or a path; None for random ones.
        taps: one tap, on whose cells is predicted; None takes the last.
        hidden: features between the tap and the outputs.
        seed: of the head's weights, and of the trunk's where they are random.
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, …; a trunk that is already made stays where it is.

    Raises:
        ArgumentError: no such trunk, tap or weights, no or doubled class names.
        WeightsError: the weights cannot be had.

    >>> import numpy as np
    >>> model = localizer("resnet18", classes=("cat", "dog"), taps="layer3.1")
    >>> model(model.preprocess(np.zeros((64, 64, 3), np.uint8))).shape
    torch.Size([1, 7])
    """
    names = class_names_of(classes, 1)
    where = device_of(trunk, device)
    body = trunk if isinstance(trunk, Trunk) else make_trunk(trunk, weights=weights, seed=seed, device="cpu")
    _need_whole(body.preprocessing)
    (chosen,) = _one_tap(body.chosen(taps))
    with seeded(seed):
        head = PlaceHead(body.channels(chosen), len(names), hidden)
    draw(head, seed)
    return Localizer(body, head, taps=chosen, class_names=names).to(where).eval()


def _one_tap(taps: Sequence[str]) -> tuple[str]:
    if len(taps) != 1:
        raise ArgumentError(f"taps: need one to localize on, got {', '.join(taps)}")
    return (taps[0],)


def _need_whole(preprocessing: Preprocessing) -> None:
    if preprocessing.resize is not None or preprocessing.crop is not None:
        raise ArgumentError("preprocessing: need one that keeps the whole picture (stretch), got resize or crop")
