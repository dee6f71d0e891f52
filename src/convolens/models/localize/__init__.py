"""Localize: is there an object in the picture, which, and where. One object a picture, or none.

Every cell of a tap's map has outputs: how much it looks like an object (its objectness logit), of which class, and
where its box is. The objectness of the picture is the log of the mean of the exponentials of the cells' logits. Class
and box are means over the cells, weighted by the softmax of the same logits: the network attends to the place that made
it find something. A cell's outputs do not depend on where it is: an object need not have been in every place.

The loss is one number, the weighted sum of three: objectness (binary cross-entropy), class (cross-entropy) and where it
is; the latter two count only where there is an object. Where it is has two parts: the cell that its center is in is
to be attended to (cross-entropy), and the box is to fit. Without the first, cells attend to whatever gives an object
away, an end of a stroke, where its class is hard to tell.

`heads` (the outputs and their pooling), `loss`, `model` (all of it as one module).
"""

from __future__ import annotations

from convolens.models.localize.heads import HIDDEN, AttentionPooling, PlaceHead, Predictions
from convolens.models.localize.loss import BOX_LOSSES, Losses, losses
from convolens.models.localize.model import Localizer, localizer
from convolens.results import Location
from convolens.selection import PRESENT

__all__ = [
    "BOX_LOSSES",
    "HIDDEN",
    "PRESENT",
    "AttentionPooling",
    "Localizer",
    "Location",
    "Losses",
    "PlaceHead",
    "Predictions",
    "localizer",
    "losses",
]
