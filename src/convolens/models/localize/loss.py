"""The loss that a localizer is trained by: one weighted sum of whether, which and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from convolens.boxes import corners_of, overlaps
from convolens.errors import need_one_of
from convolens.models.localize.heads import AttentionPooling, Predictions

SMOOTH = 0.05  # of smooth L1: where it turns from square to straight, as a fraction of the picture's side
ATTENTION_WEIGHT = 0.5  # of the right cell's attention, beside the box's loss


@dataclass(frozen=True)
class Losses:
    """The three parts of a localizer's loss, each summed over a batch, times its weight."""

    object: Tensor
    classes: Tensor
    box: Tensor


def losses(
    outputs: Float[Tensor, "batch numbers rows columns"],
    present: Bool[Tensor, " batch"],
    labels: Int[Tensor, " batch"],
    boxes: Float[Tensor, "batch 4"],
    *,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    box_weight: float = 1.0,
    box_loss: str = "giou",
) -> Losses:
    """Computes the parts of the one loss that a localizer is trained by. Their sum is the loss of the batch.

    Args:
        outputs: the model's, of every cell (`pooled=False`).
        present: whether there is an object.
        labels: its class; any number where there is none.
        boxes: center x, center y, width, height as fractions of the picture; anything where there is none.
        object_weight: of the binary cross-entropy of `present`, over all pictures.
        class_weight: of the cross-entropy of `labels`, over pictures with an object.
        box_weight: of where it is, over pictures with an object.
        box_loss: one of `BOX_LOSSES`.
    """
    need_one_of("box_loss", box_loss, BOX_LOSSES)
    predictions = Predictions.of(AttentionPooling()(outputs))
    where = BOX_LOSSES[box_loss](predictions.boxes[present], boxes[present]).sum()
    where = where + ATTENTION_WEIGHT * cross_entropy(*_cells(outputs[present, 0], boxes[present]), reduction="sum")
    return Losses(
        object_weight * binary_cross_entropy_with_logits(predictions.object, present.to(outputs), reduction="sum"),
        class_weight * cross_entropy(predictions.classes[present], labels[present], reduction="sum"),
        box_weight * where,
    )


# Between boxes given by center and size, fractions of the picture's side: one number a box.
BOX_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda found, true: (found - true).square().mean(dim=1),
    "l1": lambda found, true: (found - true).abs().mean(dim=1),
    "smooth_l1": lambda found, true: smooth_l1_loss(found, true, beta=SMOOTH, reduction="none").mean(dim=1),
    "giou": lambda found, true: 1 - overlaps(corners_of(found), corners_of(true))[1],
}


def _cells(logits: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Gives the objectness logits of a map, cells in a row, and the number of the cell that the box's center is in."""
    rows, columns = logits.shape[1:]
    row, column = ((boxes[:, axis] * count).long().clamp(0, count - 1) for axis, count in ((1, rows), (0, columns)))
    return logits.flatten(1), row * columns + column
