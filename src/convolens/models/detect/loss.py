"""The loss that a detector is trained by: one weighted sum of whether, which and where.

Nearly all default boxes show background. Only the hardest of those count, three for each one that is matched to an
object (hard negative mining), so that the few are not drowned. In a picture without objects its hardest ones count too.

Liu et al. 2016, section 2.2 and equations 1–3. Differs from the paper in that pictures without objects count (there
`negatives_when_empty` is 0), and in the choices other than its own: `objectness="softmax"`, `box_loss="smooth_l1"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from convolens.boxes import centers_of, corners_of, overlaps
from convolens.errors import ArgumentError, need_one_of
from convolens.models.detect.matching import Grids, Matches
from convolens.models.detect.offsets import decode, encode

Objectness = Literal["softmax", "binary"]
BoxLoss = Literal["smooth_l1", "l1", "mse", "giou"]


class Outputs(NamedTuple):
    """The network's outputs for every default box.

    Attributes:
        scores: `(N, default boxes, 1 + classes)`. With `objectness="softmax"` the first is background's, a class like
            the others; with `"binary"` it is the objectness logit, the others are the classes'.
        offsets: `(N, default boxes, 4)`, see `offsets`.
    """

    scores: Tensor
    offsets: Tensor


@dataclass(frozen=True)
class DetectionLoss:
    """How the parts are counted and weighed.

    Attributes:
        box_loss: `smooth_l1` (the paper's), `l1` or `mse` between offsets, summed over the four; or `giou` between
            boxes.
        class_weight: of the cross-entropy of the classes; with `objectness="softmax"` background is one of them.
        box_weight: of the box's loss.
        object_weight: of the binary cross-entropy of there being an object; only with `objectness="binary"`.
        negatives: default boxes of background that count for each that is matched to an object.
        negatives_when_empty: how many count in a picture without objects; 0 leaves it out (torchvision's rule).
    """

    box_loss: BoxLoss = "smooth_l1"
    class_weight: float = 1.0
    box_weight: float = 1.0
    object_weight: float = 1.0
    negatives: float = 3.0
    negatives_when_empty: int = 12

    def __post_init__(self) -> None:
        need_one_of("box_loss", self.box_loss, BOX_LOSSES)
        for name in ("class_weight", "box_weight", "object_weight", "negatives", "negatives_when_empty"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ArgumentError(f"{name}: need a number of at least 0, got {value}")

    def counts(self, matches: Matches, objectness: Objectness) -> dict[str, float]:
        """Counts what each part is a mean over: default boxes that are matched to an object.

        An empty picture's negatives count as the number of such boxes that would have brought them, so that a batch of
        them is not weighed as if it had a single object.
        """
        positives = matches.positive.sum(dim=1)
        objects = float(positives.sum())
        each = self.negatives_when_empty / self.negatives if self.negatives else 0.0
        counted = objects + each * float((positives == 0).sum())
        if objectness == "softmax":
            return {"class": counted, "box": objects}
        return {"object": counted, "class": objects, "box": objects}

    def losses(self, outputs: Outputs, matches: Matches, grids: Grids, objectness: Objectness) -> dict[str, Tensor]:
        """Computes the parts, weighted and summed over the batch, not divided; under the names of `counts`."""
        scores, offsets = outputs.scores.float(), outputs.offsets.float()
        positive = matches.positive
        picture, default = positive.nonzero(as_tuple=True)
        number = matches.object_of[picture, default]
        labels, boxes = matches.labels[picture, number], matches.boxes[picture, number].float()
        losses = BOX_LOSSES[self.box_loss](offsets[picture, default], boxes, grids.boxes[default])
        box = self.box_weight * losses.sum()
        with torch.no_grad():
            hardness = background_loss(scores, objectness)
            wanted = self._wanted(positive)
            negative = hardest(hardness, positive, wanted)
        there, empty = scores[picture, default], scores[negative]
        if objectness == "softmax":
            background = labels.new_zeros(len(empty))
            targets = torch.cat([labels + 1, background])
            class_loss = cross_entropy(torch.cat([there, empty]), targets, reduction="sum")
            return {"class": self.class_weight * class_loss, "box": box}
        logits = torch.cat([there[:, 0], empty[:, 0]])
        truth = torch.cat([torch.ones_like(there[:, 0]), torch.zeros_like(empty[:, 0])])
        objectness_loss = binary_cross_entropy_with_logits(logits, truth, reduction="sum")
        class_loss = cross_entropy(there[:, 1:], labels, reduction="sum")
        return {"object": self.object_weight * objectness_loss, "class": self.class_weight * class_loss, "box": box}

    def _wanted(self, positive: Tensor) -> Tensor:
        """Counts the negatives of each picture."""
        positives = positive.sum(dim=1)
        return torch.where(positives > 0, (self.negatives * positives).ceil().long(), self.negatives_when_empty)


def background_loss(
    scores: Float[Tensor, "batch boxes scores"], objectness: Objectness
) -> Float[Tensor, "batch boxes"]:
    """Computes the loss of each default box if it shows background."""
    if objectness == "softmax":
        return -scores.log_softmax(dim=-1)[..., 0]
    return torch.nn.functional.softplus(scores[..., 0])


def hardest(
    hardness: Float[Tensor, "batch boxes"], positive: Bool[Tensor, "batch boxes"], wanted: Tensor
) -> Bool[Tensor, "batch boxes"]:
    """Chooses the hardest default boxes of background, `wanted` of each picture, or all where there are fewer."""
    negative = ~positive
    most = min(int(wanted.max()), hardness.shape[1])
    order = hardness.masked_fill(positive, -torch.inf).topk(most, dim=1).indices
    chosen = torch.zeros_like(positive).scatter_(1, order, torch.arange(most, device=order.device) < wanted[:, None])
    return chosen & negative


def _offset_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def between(offsets: Tensor, boxes_xyxy: Tensor, defaults: Tensor) -> Tensor:
        return loss(offsets, encode(centers_of(boxes_xyxy), defaults)).sum(dim=1)

    return between


def _giou_loss(offsets: Tensor, boxes_xyxy: Tensor, defaults: Tensor) -> Tensor:
    loss: Tensor = 1 - overlaps(corners_of(decode(offsets, defaults)), boxes_xyxy)[1]
    return loss


# From offsets, true corners and default boxes (center and size): one number a box.
BOX_LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "smooth_l1": _offset_loss(lambda found, true: smooth_l1_loss(found, true, reduction="none")),
    "l1": _offset_loss(lambda found, true: (found - true).abs()),
    "mse": _offset_loss(lambda found, true: (found - true).square()),
    "giou": _giou_loss,
}
assert tuple(BOX_LOSSES) == get_args(BoxLoss)
