"""Class activation map: a class's own weights on the features, at every place. Exact, and no backward pass.

With a head that pools and then weighs, score = bias + mean over places of Σₖ wₖ fₖ(place): the map is that sum before
the mean. One matrix product.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, eq. 2. Differs from the paper in
nothing but that the mean is the head's, where the paper writes a sum.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from convolens.errors import MethodError
from convolens.explanation.targets import Target
from convolens.explanation.view import View


def cam(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """The map whose mean, added over the taps, is the score without its bias. Negative where a place speaks against it.

    Raises:
        MethodError: the head does not pool, or the target is not a sum of class scores.
    """
    if view.class_weights is None:
        raise MethodError(
            f"method cam: needs a head that pools {view.tap} and weighs its features, got another; "
            "gradcam, hirescam and layercam work with any"
        )
    if target.direction is None:
        raise MethodError("method cam: needs a class as target, got a function; gradcam works with any")
    return view.weighted(target.direction @ view.class_weights)
