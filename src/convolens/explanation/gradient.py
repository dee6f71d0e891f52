"""Maps from the score's gradient at a tap: any head, one backward pass from the head to the tap.

They write f for the features at the tap, g for the gradient of the score in them, i for a place, k for a feature. Each
gives its map before the last ReLU, which `explain` applies.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.explanation.targets import Target
from convolens.explanation.view import View, need_gradient


def gradcam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Σₖ fₖ(i) · meanᵢ gₖ(i). Selvaraju et al., "Grad-CAM", ICCV 2017, eq. 1 and 2."""
    return view.weighted(_gradients(view, target).mean(dim=(2, 3)))


def gradcam_plus_plus(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Gradients weighted so that several objects of one class count alike.

    Chattopadhay et al., "Grad-CAM++", WACV 2018, eq. 11 and 19, for the exponential of the score, whose own factor is
    the same everywhere and left out.
    """
    g, f = _gradients(view, target), view.activations
    below = 2 * g**2 + f.sum(dim=(2, 3), keepdim=True) * g**3
    alpha = torch.where(below != 0, g**2 / torch.where(below != 0, below, 1.0), 0.0)
    return view.weighted((alpha * g.relu()).sum(dim=(2, 3)))


def hirescam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Σₖ fₖ(i) gₖ(i): only places that the score truly depends on. Draelos & Carin, "HiResCAM", 2020, eq. 7."""
    return (_gradients(view, target) * view.activations).sum(dim=1)


def layercam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """Σₖ fₖ(i) max(gₖ(i), 0): sharp at early taps too. Jiang et al., "LayerCAM", TIP 2021, eq. 5 and 6."""
    return (_gradients(view, target).relu() * view.activations).sum(dim=1)


def _gradients(view: View, target: Target) -> Tensor:
    """The score's gradient in the features, by the graph that all targets of the view share."""
    at, scores = view.graph
    with torch.enable_grad():
        score = target.score(scores).sum()
        need_gradient(score)
        (gradients,) = torch.autograd.grad(score, at, retain_graph=True)
    return gradients
