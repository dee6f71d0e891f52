"""Classify: what is in the picture, out of the classes that the model was taught.

A trunk's maps at one or several taps go into a head that gives each class a score. With the pooled head of `heads.py`
a head is all there is to train: a trunk that somebody else trained stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.arrays import Real, as_real
from convolens.errors import ArgumentError, need_one_of
from convolens.media.files import AnyPath
from convolens.media.pixels import Picture, as_pictures
from convolens.models.familiar import Familiarity, descriptions
from convolens.models.heads import HEADS, PooledHead
from convolens.models.inputs import batches, class_names_of, device_of, evaluating, need_finite
from convolens.models.model_file import ModelFile
from convolens.models.tap_scores import TrunkScores
from convolens.models.trunk_model import TrunkModel
from convolens.results import Prediction as Prediction
from convolens.results import best_first, of_pictures, remembered
from convolens.trunks import OriginalHead, Trunk, published
from convolens.trunks.options import draw, seeded
from convolens.trunks.registry import trunk as make_trunk


class Classifier(TrunkModel):
    """A trunk, its taps, and a head on them. Calling it takes a preprocessed batch and gives scores (logits).

    Args:
        trunk: the feature extractor.
        head: takes the taps' maps in order, gives `(N, classes)`; its `kind` is its name in `HEADS`.
        taps: names of the trunk's taps.
        class_names: one for each score.
        metrics: what was measured on pictures it was not trained on; kept in the model file.
        multi_label: whether a picture may show any number of classes, each decided for itself; otherwise it shows
            one.
        familiarity: what the pictures that it learned from are like; None where that is not known.
    """

    task: Literal["classify"] = "classify"

    def __init__(
        self,
        trunk: Trunk,
        head: nn.Module,
        *,
        taps: Sequence[str],
        class_names: Sequence[str],
        metrics: Mapping[str, float] | None = None,
        multi_label: bool = False,
        familiarity: Familiarity | None = None,
    ) -> None:
        super().__init__(trunk, taps, class_names, metrics)
        self.head, self.multi_label, self.familiarity = head, multi_label, familiarity

    def forward(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Computes class scores before softmax."""
        maps = self.trunk(batch, taps=self.taps)
        return self.from_maps([maps[tap] for tap in self.taps])

    def from_maps(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch classes"]:
        """Computes class scores from the taps' maps, in order."""
        scores: Tensor = self.head(maps)
        return scores

    def probabilities(self, scores: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """Turns scores into probabilities: they add up to 1, or for a multi-label model each is from 0 to 1."""
        return scores.sigmoid() if self.multi_label else scores.softmax(dim=1)

    def features(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Computes the inputs of a pooled head's linear layer: the mean of every feature of every tap."""
        return self.features_and_description(batch)[0]

    def describe(self, batch: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Computes the mean of every feature of every tap over the picture, and its standard deviation there."""
        maps = self.trunk(batch, taps=self.taps)
        return descriptions([maps[tap] for tap in self.taps])

    def features_and_description(self, batch: Float[Tensor, "batch channels height width"]) -> tuple[Tensor, Tensor]:
        """Computes what `features` and `describe` do, in one pass."""
        if not isinstance(self.head, PooledHead):
            raise ArgumentError(f"features: need a pooled head, got {self.head.kind!r}")
        found = self.trunk(batch, taps=self.taps)
        maps = [found[tap] for tap in self.taps]
        return self.head.pool(maps), descriptions(maps)

    def familiar(self, batch: Float[Tensor, "batch channels height width"]) -> NDArray[Any]:
        """How like those that the model learned from pictures are, from 0 to 1; see `predict`.

        Raises:
            ArgumentError: that is not known.
        """
        return self._known().of(self.describe(batch))

    def _known(self) -> Familiarity:
        if self.familiarity is None:
            raise ArgumentError(
                "unknown: need a model that knows what it learned from, got one without, of an earlier version, in 8 "
                "bits or trained on too few pictures; train it with this one on more"
            )
        return self.familiarity

    def explained(self) -> TrunkScores:
        """Gives what `convolens.explain` explains: the scores of the classes."""

        def class_weights() -> dict[str, Tensor]:
            if not isinstance(self.head, PooledHead):
                return {}  # features of another head do not keep their place
            return dict(zip(self.taps, self.head.weights_by_tap(), strict=True))

        return TrunkScores(self, lambda scores: scores, self.probabilities, class_weights=class_weights)

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, images: Picture, *, top: int | None = ..., unknown: Real | None = ..., batch: int = ...
    ) -> Prediction: ...
    @overload
    def predict(
        self, images: Iterable[Picture], *, top: int | None = ..., unknown: Real | None = ..., batch: int = ...
    ) -> list[Prediction]: ...
    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        top: int | None = None,
        unknown: Real | None = None,
        batch: int = 16,
    ) -> Prediction | list[Prediction]:
        """What the pictures show.

        Args:
            images: a path, bytes, an open file, a Pillow picture, an array or a tensor `(H, W)` or `(H, W, C)`, uint8,
                uint16 or float in [0, 1], RGB; or several: a list of any of these, or an array `(N, H, W, C)`.
            top: how many classes to name; None names all.
            unknown: calls pictures unknown that are like none it learned from, such that of those that are like them a
                fraction of at most `unknown` is called so too, by pictures that were kept out of training: 0.01.
            batch: how many pictures of one size go through the network at once.

        Returns:
            One `Prediction`; for several pictures a list, in order. Of a model that `convolens.train` made it says how
            `familiar` the picture is: the fraction of pictures like those it learned from that are as unlike them.

        Raises:
            FileError: a picture cannot be read.
            ShapeError, DtypeError, ArgumentError: an array is no picture, or too small for the taps; or `unknown` of a
                model that does not know what it learned from.
        """
        if top is not None and top < 1:
            raise ArgumentError(f"top: need at least 1 class, got {top}")
        if unknown is not None:
            unknown = as_real(unknown, "unknown", "a fraction between 0 and 1", lambda rate: 0 < rate < 1)
            self._known()
        pictures, many = as_pictures(images)
        singles = ((self.preprocess([picture]), kept) for picture, kept in remembered(pictures))
        found: list[Prediction] = []
        with evaluating(self):
            for one, kept in batches(singles, batch):
                scores, familiar = self._answers(one)
                ranked = (best_first(row, self.class_names, top) for row in scores)
                made = (
                    Prediction(*best, like, None if like is None or unknown is None else like < unknown)
                    for best, like in zip(ranked, familiar, strict=True)
                )
                found += of_pictures(made, kept)
        return found if many else found[0]

    def _answers(self, batch: Tensor) -> tuple[NDArray[Any], Sequence[float | None]]:
        """The probabilities of each picture, and how familiar it is, where that is known."""
        if self.familiarity is None:
            return self.probabilities(need_finite(self(batch))).cpu().numpy(), [None] * len(batch)
        found = self.trunk(batch, taps=self.taps)
        maps = [found[tap] for tap in self.taps]
        scores = self.probabilities(need_finite(self.from_maps(maps))).cpu().numpy()
        return scores, self.familiarity.of(descriptions(maps)).tolist()

    def _own_facts(self) -> dict[str, Any]:
        known = {} if self.familiarity is None else {"familiar": self.familiarity.facts()}
        return {"head": self.head.kind, "multi_label": self.multi_label, **known}

    @classmethod
    def from_file(cls, file: ModelFile) -> Classifier:
        """Reads the model that `save` wrote.

        Raises:
            WeightsError: a fact or a tensor is missing, of the wrong kind, or does not fit the others.
        """
        class_names, taps = file.words("class_names"), file.words("taps")
        multi_label = _is_multi_label(file)
        known = file.fact("familiar", dict) if "familiar" in file.facts else None

        def make(trunk: Trunk) -> Classifier:
            head = _head(file.fact("head", str), trunk, taps, len(class_names))
            familiarity = None if known is None else Familiarity.from_facts(known, file.path)
            made = cls(
                trunk, head, taps=taps, class_names=class_names, metrics=file.fact("metrics", dict),
                multi_label=multi_label, familiarity=familiarity,
            )  # fmt: skip
            if familiarity is not None:
                features, groups = 2 * sum(map(trunk.channels, made.taps)), 1 if multi_label else len(class_names)
                familiarity.need_fit(features, groups, f"{', '.join(made.taps)} of {trunk.name}")
            return made

        return file.build(make)


def classifier(
    trunk: str | Trunk,
    *,
    weights: AnyPath | None = None,
    classes: Sequence[str] | int | None = None,
    taps: Sequence[str] | str | None = None,
    head: Literal["gap", "original"] = "gap",
    seed: int = 0,
    multi_label: bool = False,
    device: str = "auto",
) -> Classifier:
    """A classifier on a trunk, in evaluation mode: a whole published one, or one with an untrained head.

    Args:
        trunk: its name, or one that is already made.
        weights: a name from the weights table or a path; None for random ones.
        classes: the names of the classes, or how many there are, for a head yet to be trained. None takes the
            published classifier with the weights, its classes, and pictures resized and cropped as it was published.
        taps: one or several of the trunk's taps, whose features are put side by side; None takes the last.
        head: `gap` pools every feature over the picture and has one linear layer, so that class activation maps are
            exact. `original` is the network's own: three dense layers for VGG, for ResNet the same as `gap`.
        seed: of the head's weights, and of the trunk's where they are random.
        multi_label: whether a picture may show any number of the classes, or none; otherwise it shows one.
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, …; a trunk that is already made stays where it is.

    Raises:
        ArgumentError: no such trunk, tap or head, fewer than two or doubled class names, or none and no weights that
            bring their own.
        WeightsError: the weights cannot be had, or hold no classifier.

    >>> import numpy as np
    >>> model = classifier("vgg16", classes=("brick", "grass"), taps="conv3_3")
    >>> model(model.preprocess(np.zeros((32, 32, 3), np.uint8))).shape
    torch.Size([1, 2])
    """
    where = device_of(trunk, device)
    need_one_of("head", head, (*HEADS, OriginalHead.kind))
    if not isinstance(multi_label, bool):
        raise ArgumentError(f"multi_label: need True or False, got {multi_label!r}")
    if classes is None:
        return _published(trunk, weights, taps, head).to(where)
    names = class_names_of(classes, 2)
    body = trunk if isinstance(trunk, Trunk) else make_trunk(trunk, weights=weights, seed=seed, device="cpu")
    chosen = body.chosen(taps)
    with seeded(seed):
        top = _head(head, body, chosen, len(names))
    draw(top, seed)
    return Classifier(body, top, taps=chosen, class_names=names, multi_label=multi_label).to(where).eval()


def _is_multi_label(file: ModelFile) -> bool:
    """Earlier versions stated the opposite, `exclusive`, and the first ones nothing, as they knew one kind only."""
    if "multi_label" in file.facts:
        return file.fact("multi_label", bool)
    return "exclusive" in file.facts and not file.fact("exclusive", bool)


def _published(trunk: str | Trunk, weights: AnyPath | None, taps: Sequence[str] | str | None, head: str) -> Classifier:
    """Makes the whole network as somebody published it."""
    if not isinstance(trunk, str) or weights is None or taps is not None:
        raise ArgumentError(
            "classes: need names for a new head; without, a trunk's name and weights with a classifier, no taps, "
            f"got trunk {trunk if isinstance(trunk, str) else type(trunk).__name__}, weights {weights}, taps {taps}"
        )
    need_one_of("head", head, (PooledHead.kind, OriginalHead.kind))
    body, own, class_names = published(trunk, weights)
    top = PooledHead.of(own) if head == PooledHead.kind else own
    return Classifier(body, top, taps=body.taps[-1:], class_names=class_names).eval()


def _head(kind: str, trunk: Trunk, taps: Sequence[str], classes: int) -> nn.Module:
    if kind == OriginalHead.kind:
        if tuple(taps) != trunk.taps[-1:]:
            raise ArgumentError(
                f"taps: need the trunk's last, {trunk.taps[-1]}, for its own head, got {', '.join(taps)}"
            )
        return trunk.original_head(classes)
    need_one_of("head", kind, (*HEADS, OriginalHead.kind))
    return HEADS[kind]([trunk.channels(tap) for tap in trunk.chosen(taps)], classes)
