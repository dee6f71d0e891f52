"""What a restyling reports after every step, and the state that it can be resumed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class State:
    """A state to resume from: pass it to `stylize` as `resume`, with the same arguments as before.

    Attributes:
        scale: index of the scale, coarse to fine.
        step: steps done at that scale.
        picture: `(3, H, W)` in [0, 1], at that scale's size.
    """

    scale: int
    step: int
    picture: NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One step done.

    Attributes:
        number: from 1, over all scales.
        total: how many there will be, unless a scale ends early as no step lowers its loss.
        size: height and width of the present scale.
        loss: the weighted sum.
        losses: each term before its weight: `content conv4_2`, `style conv1_1`, …, `roughness`. 1 is the loss of
            features that are all 0.
        seconds: since the start.
        seconds_left: an estimate, from the pixels done and to be done.
        note: what the user should know; mostly empty.
    """

    number: int
    total: int
    size: tuple[int, int]
    loss: float
    losses: dict[str, float]
    seconds: float
    seconds_left: float
    note: str = ""
    _picture: Callable[[], Any] = field(default=lambda: None, repr=False)
    _state: Callable[[], State | None] = field(default=lambda: None, repr=False)

    def picture(self) -> Any:
        """The picture so far, of the content's kind, at the present scale's size."""
        return self._picture()

    def state(self) -> State | None:
        """The state to resume from."""
        return self._state()
