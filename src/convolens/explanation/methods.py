"""The methods to explain by, and a request for one of them, checked.

A new one is a function from a `View` and a `Target` to a map, and its line in `METHODS`;
`tests/explanation/test_conformance.py` then tests it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from convolens.arrays import as_flag
from convolens.errors import ArgumentError, MethodError, need_one_of
from convolens.explanation.activation import eigencam
from convolens.explanation.cam import cam
from convolens.explanation.gradient import gradcam, gradcam_plus_plus, hirescam, layercam
from convolens.explanation.perturbation import ablationcam, occlusion, scorecam
from convolens.explanation.pixels import guided_backprop, integrated_gradients
from convolens.explanation.targets import Target
from convolens.explanation.view import INPUT, View, check_taps
from convolens.models.tap_scores import TapScores


@dataclass(frozen=True)
class Method:
    """How a map is made.

    Attributes:
        find: from a view of a tap and a target to a map.
        rectified: whether the paper ends with a ReLU, so that the map shows only what speaks for the target.
        at_input: whether it explains by the pixels themselves rather than by a tap.
        weighs: whether each feature has one weight, the same at every place.
    """

    find: Callable[[View, Target], Tensor]
    rectified: bool = True
    at_input: bool = False
    weighs: bool = False


METHODS = {
    "cam": Method(cam, rectified=False, weighs=True),
    "gradcam": Method(gradcam, weighs=True),
    "gradcam++": Method(gradcam_plus_plus, weighs=True),
    "hirescam": Method(hirescam),
    "layercam": Method(layercam),
    "eigencam": Method(eigencam),
    "scorecam": Method(scorecam, weighs=True),
    "ablationcam": Method(ablationcam, weighs=True),
    "occlusion": Method(occlusion, rectified=False, at_input=True),
    "integrated_gradients": Method(integrated_gradients, rectified=False, at_input=True),
    "guided_backprop": Method(guided_backprop, rectified=False, at_input=True),
}


@dataclass(frozen=True)
class Request:
    """A map that is requested: at which taps, by which method, and whether only positive weights count."""

    taps: tuple[str, ...]
    method: str
    relu_weights: bool


def checked_request(
    model: TapScores, method: str, taps: str | Sequence[str] | None, *, linear: bool, relu_weights: bool = False
) -> Request:
    """The request, if the model can serve it; `linear`: whether the target is a sum of class scores.

    Raises:
        ArgumentError: a model in training mode, no such tap, or `relu_weights` that is no truth value.
        MethodError: no such method, or it takes no tap or has no weights that could be positive.
    """
    in_training = next((name for name, part in model.named_modules() if part.training), None)
    if in_training is not None:
        where = f" in its part {in_training}" if in_training else ""
        raise ArgumentError(f"model: need it in evaluation mode, got training mode{where}; call model.eval() first")
    need_one_of("method", method, ("auto", *METHODS), MethodError)
    as_flag(relu_weights, "relu_weights")
    chosen = check_taps(model, taps)
    if method == "auto":
        method = "cam" if linear and set(chosen) <= set(model.class_weights()) else "gradcam"
    if relu_weights and not METHODS[method].weighs:
        weighing = ", ".join(name for name, one in METHODS.items() if one.weighs)
        raise MethodError(f"method {method}: gives a feature no single weight that may be positive; take {weighing}")
    if not METHODS[method].at_input:
        return Request(chosen, method, relu_weights)
    if taps is not None:
        raise MethodError(f"method {method}: looks at the pixels, not at a tap; leave out taps, or take gradcam")
    return Request((INPUT,), method, relu_weights)
