"""Localize: is there an object in the picture, which, and where. One object a picture, or none.

Every cell of a tap's map says how much it looks like an object, of which class, and where its box is. There is an
object where some cell is sure of it: objectness is the log of the mean of the exponentials of the first. Class and box
are means over the cells, weighted by the softmax of the same numbers: the network looks at the place that made it say
that there is something. What a cell says does not depend on where it is: an object need not have been seen everywhere.

The loss is one number, the weighted sum of three: objectness (binary cross-entropy), class (cross-entropy) and where it
is; the latter two count only where there is an object. Where it is has two parts: the cell that its middle lies in is
to be heard (cross-entropy), and the box is to fit. Without the first, cells listen for whatever gives an object away,
an end of a stroke, where its class is hard to tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from convolens.boxes import corners_of, overlaps
from convolens.errors import ArgumentError, WeightsError, need_one_of
from convolens.media.files import AnyPath
from convolens.media.pixels import Picture, as_pictures, as_pixels, over_white
from convolens.models.inputs import batches, class_names_of, device_of, evaluating
from convolens.models.model_file import ModelFile, trunk_facts, write_model_file
from convolens.models.results import Predicted, of_pictures, remembered
from convolens.models.tap_scores import TrunkScores
from convolens.trunks import Preprocessing, Trunk
from convolens.trunks.blocks import convolution
from convolens.trunks.registry import trunk as make_trunk

HIDDEN = 128  # features between a tap and what is said of it
MAX_HIDDEN = 8192
SMOOTH = 0.05  # of smooth L1: where it turns from square to straight, as a share of the picture's side
HEARD = 0.5  # weight, beside the box's loss, of the right cell's being heard
PRESENT = 0.5  # objectness from which on an object is named


@dataclass(frozen=True, repr=False)
class Location(Predicted):
    """What was found in a picture.

    Attributes:
        label: the class; None where no object was found.
        score: how likely it is that class, given that there is an object.
        box_xyxy: where, in pixels of the original picture, `(x1, y1, x2, y2)`; None where no object was found.
        objectness: how likely there is an object.
    """

    label: str | None
    score: float
    box_xyxy: tuple[float, float, float, float] | None
    objectness: float


@dataclass(frozen=True)
class Answers:
    """A localizer's raw output, `(N, 1 + classes + 4, …)`, by meaning.

    Attributes:
        object: objectness before the sigmoid, `(N, …)`.
        classes: class scores before softmax, `(N, classes, …)`.
        boxes: centre x, centre y, width, height, as shares of what the network sees, `(N, 4, …)`.
    """

    object: Tensor
    classes: Tensor
    boxes: Tensor

    @classmethod
    def of(cls, output: Float[Tensor, "batch outputs *places"]) -> Answers:
        """What the numbers mean. Sizes are sigmoids, so that every box is one."""
        centers, sizes = output[:, -4:-2], output[:, -2:].sigmoid()
        return cls(output[:, 0], output[:, 1:-4], torch.cat([centers, sizes], dim=1))


class Gather(nn.Module):
    """From what every cell says to one answer, `(N, 1 + classes + 4, rows, columns)` to `(N, 1 + classes + 4)`.

    With s the first number of each cell: objectness is log mean exp(s), the rest the mean weighted by softmax(s). A
    cell's box centre is relative to the cell, in shares of the whole map; here it becomes relative to the map's corner.
    """

    def forward(self, said: Float[Tensor, "batch numbers rows columns"]) -> Float[Tensor, "batch numbers"]:
        """One answer for the whole map."""
        rows, columns = said.shape[2:]
        sure = said[:, :1].flatten(2)
        heard = sure.softmax(dim=2).view_as(said[:, :1])
        found = (heard * _placed(said[:, 1:], rows, columns)).sum(dim=(2, 3))
        return torch.cat([sure.logsumexp(dim=2) - math.log(rows * columns), found], dim=1)

    def over_windows(self, rows: int, columns: int) -> GatherWindows:
        """The same for every window of a larger map."""
        return GatherWindows(rows, columns)


class GatherWindows(nn.Module):
    """`Gather` in every window of so many cells: exact, as its sums of exponentials are averages over the window."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, said: Float[Tensor, "batch numbers rows columns"]) -> Float[Tensor, "batch numbers down across"]:
        """One answer for each window, its box as shares of that window."""
        size = (self.rows, self.columns)
        most = said[:, :1].amax(dim=(2, 3), keepdim=True)
        weight = (said[:, :1] - most).exp()
        whole = avg_pool2d(weight, size, 1).clamp_min(1e-30)
        found = avg_pool2d(weight * _placed(said[:, 1:], *size), size, 1) / whole
        down, across = (torch.arange(count, device=said.device) for count in found.shape[2:])
        center_x = found[:, -4] - across / self.columns
        center_y = found[:, -3] - down[:, None] / self.rows
        boxes = [center_x[:, None], center_y[:, None], found[:, -2:]]
        return torch.cat([most + whole.log(), found[:, :-4], *boxes], dim=1)


class PlaceHead(nn.Module):
    """Two convolutions that let every cell say what it sees, and `Gather`.

    Args:
        channels: of the tap.
        classes: how many.
        hidden: features in between.
    """

    kind = "place"

    def __init__(self, channels: int, classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        if not 1 <= hidden <= MAX_HIDDEN:
            raise ArgumentError(f"hidden: need 1 to {MAX_HIDDEN} features, got {hidden}")
        self.hidden = hidden
        self.see = convolution(channels, hidden, 3)
        self.say = convolution(hidden, 1 + classes + 4, 1)

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _channels _rows _columns"]], *, gathered: bool = True
    ) -> Float[Tensor, "batch outputs *cells"]:
        """The raw output from the tap's map; with `gathered=False` what every cell says."""
        value = maps[0]
        for layer in self.layers() if gathered else self.layers()[:-1]:
            value = layer(value)
        return value

    def layers(self) -> list[nn.Module]:
        """All it does, as layers in a row."""
        return [self.see, nn.ReLU(), self.say, Gather()]


class Localizer(nn.Module):
    """A trunk, one of its taps, and a head on it. Calling it takes a preprocessed batch and gives the raw output.

    Args:
        trunk: the feature extractor; its preprocessing keeps the whole picture.
        head: takes the tap's map, gives `(N, 1 + classes + 4)`, see `Answers`.
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
        super().__init__()
        self.trunk, self.head, self.taps = trunk, head, _one_tap(trunk.chosen(taps))
        self.class_names = tuple(class_names)
        self.metrics = dict(metrics or {})

    def forward(
        self, batch: Float[Tensor, "batch channels height width"], *, gathered: bool = True
    ) -> Float[Tensor, "batch outputs *cells"]:
        """Objectness, class scores and box, as `Answers.of` reads them; `gathered=False`: as every cell says them."""
        return self.from_maps(list(self.trunk(batch, taps=self.taps).values()), gathered=gathered)

    def from_maps(self, maps: Sequence[Tensor], *, gathered: bool = True) -> Float[Tensor, "batch outputs *cells"]:
        """The same from the tap's map."""
        found: Tensor = self.head(maps, gathered=gathered)
        return found

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to the network's input."""
        return self.trunk.preprocessing

    def preprocess(self, pictures: object) -> Float[Tensor, "batch channels height width"]:
        """Pictures (paths, arrays, one or many of one size) as a batch on the model's device."""
        return self.trunk.preprocess(pictures)

    def explained(self) -> TrunkScores:
        """What `convolens.explain` looks at: the scores of the classes, given that there is an object."""
        return TrunkScores(self, lambda output: Answers.of(output).classes, lambda scores: scores.softmax(dim=1))

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
            threshold: the objectness from which on an object is named; 0 names one in every picture.
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
        """Each picture preprocessed, with its size and what a result keeps of it."""
        for picture, kept in remembered(pictures):
            pixels = over_white(as_pixels(picture))
            yield self.preprocess(pixels), ((pixels.shape[0], pixels.shape[1]), kept)

    def _locations(self, output: Tensor, sizes: Sequence[tuple[int, int]], threshold: float) -> list[Location]:
        answers = Answers.of(output.float())
        scores = answers.classes.softmax(dim=1)
        corners = corners_of(answers.boxes).clamp(0, 1)
        found = []
        for number, (height, width) in enumerate(sizes):
            objectness, best = float(answers.object[number].sigmoid()), int(scores[number].argmax())
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

    def save(self, path: AnyPath, *, keeping: tuple[AnyPath, ...] = ()) -> None:
        """Writes the model to one `.safetensors` file that `convolens.load` reads.

        Raises:
            WeightsError: another suffix.
            FileError: it cannot be written.
        """
        facts = {
            "task": self.task,
            **trunk_facts(self.trunk),
            "head": self.head.kind,
            "hidden": self.head.hidden,
            "taps": self.taps,
            "class_names": self.class_names,
            "metrics": self.metrics,
        }
        write_model_file(path, self, facts, keeping=keeping)

    @classmethod
    def from_file(cls, file: ModelFile) -> Localizer:
        """The model that `save` wrote.

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
        taps: one tap, whose cells are asked; None takes the last.
        hidden: features between the tap and what is said of it.
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = PlaceHead(body.channels(chosen), len(names), hidden)
    return Localizer(body, head, taps=chosen, class_names=names).to(where).eval()


@dataclass(frozen=True)
class Losses:
    """The three parts of a localizer's loss, each summed over a batch, times its weight."""

    object: Tensor
    classes: Tensor
    box: Tensor


def losses(
    said: Float[Tensor, "batch numbers rows columns"],
    present: Bool[Tensor, " batch"],
    labels: Int[Tensor, " batch"],
    boxes: Float[Tensor, "batch 4"],
    *,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str = "giou",
) -> Losses:
    """The parts of the one loss that a localizer is trained by. Their sum is the loss of the batch.

    Args:
        said: what the model's cells say (`gathered=False`).
        present: whether there is an object.
        labels: its class; any number where there is none.
        boxes: centre x, centre y, width, height as shares of the picture; anything where there is none.
        object_weight: of the binary cross-entropy of `present`, over all pictures.
        class_weight: of the cross-entropy of `labels`, over pictures with an object.
        box_weight: of where it is, over pictures with an object.
        box_loss: one of `BOX_LOSSES`.
    """
    need_one_of("box_loss", box_loss, BOX_LOSSES)
    answers = Answers.of(Gather()(said))
    where = BOX_LOSSES[box_loss](answers.boxes[present], boxes[present]).sum()
    where = where + HEARD * cross_entropy(*_cells(said[present, 0], boxes[present]), reduction="sum")
    return Losses(
        object_weight * binary_cross_entropy_with_logits(answers.object, present.to(said), reduction="sum"),
        class_weight * cross_entropy(answers.classes[present], labels[present], reduction="sum"),
        box_weight * where,
    )


# Between boxes given by centre and size, shares of the picture's side: one number a box.
BOX_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda found, true: (found - true).square().mean(dim=1),
    "l1": lambda found, true: (found - true).abs().mean(dim=1),
    "smooth_l1": lambda found, true: smooth_l1_loss(found, true, beta=SMOOTH, reduction="none").mean(dim=1),
    "giou": lambda found, true: 1 - overlaps(corners_of(found), corners_of(true))[1],
}


def _cells(sure: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """How sure each cell of a map is, cells in a row, and the number of the cell that the box's middle lies in."""
    rows, columns = sure.shape[1:]
    row, column = ((boxes[:, axis] * count).long().clamp(0, count - 1) for axis, count in ((1, rows), (0, columns)))
    return sure.flatten(1), row * columns + column


def _placed(said: Tensor, rows: int, columns: int) -> Tensor:
    """Each cell's box centre, said relative to the cell, relative to the corner of a map of `rows` × `columns`."""
    down = (torch.arange(said.shape[2], device=said.device, dtype=said.dtype) + 0.5) / rows
    across = (torch.arange(said.shape[3], device=said.device, dtype=said.dtype) + 0.5) / columns
    center_x, center_y = said[:, -4] + across, said[:, -3] + down[:, None]
    return torch.cat([said[:, :-4], center_x[:, None], center_y[:, None], said[:, -2:]], dim=1)


def _one_tap(taps: Sequence[str]) -> tuple[str]:
    if len(taps) != 1:
        raise ArgumentError(f"taps: need one to localize on, got {', '.join(taps)}")
    return (taps[0],)


def _need_whole(preprocessing: Preprocessing) -> None:
    if preprocessing.resize is not None or preprocessing.crop is not None:
        raise ArgumentError("preprocessing: need one that keeps the whole picture (stretch), got resize or crop")
