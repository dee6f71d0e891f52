"""A map of the strongest activations at a tap, whatever the class: no head, no gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.explanation.targets import Target
from convolens.explanation.view import View


def eigencam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """The features projected on their first right singular vector. The target plays no part.

    Muhammad & Yeasin, "Eigen-CAM", IJCNN 2020, section III: the features are not centred first, as some packages do.
    A singular vector's sign is free; it is taken so that the map is positive on the whole.
    """
    del target
    places = view.activations.flatten(2).transpose(1, 2)
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    projected = (places @ directions[:, 0, :, None])[:, :, 0]
    signed: Tensor = projected * torch.where(projected.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return signed.view(-1, *view.activations.shape[2:])
