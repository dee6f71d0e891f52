"""How the learning rate goes up and down: a fraction of its highest, as a function of how far the training is.

By the fraction that is done rather than by steps, so that the same words fit a number of epochs and a budget of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

STEPS = (0.6, 0.85)  # where `step` divides the learning rate by ten
LAST = 0.01  # where `cosine` ends: nothing is learned at 0


def lr_fraction(schedule: str, warmup: float, done: float) -> float:
    """Returns the fraction of the highest learning rate when a fraction of the training, 0 to 1, is done.

    >>> [round(lr_fraction("cosine", 0.1, done), 2) for done in (0.05, 0.1, 0.4, 1.0)]
    [0.5, 1.0, 0.75, 0.01]
    """
    if done < warmup:
        return done / warmup
    return SCHEDULES[schedule](min((done - warmup) / (1 - warmup), 1.0))


def _cosine(done: float) -> float:
    """Loshchilov & Hutter, "SGDR", ICLR 2017, eq. 5, without restarts."""
    return LAST + (1 - LAST) * (1 + math.cos(math.pi * done)) / 2


def _step(done: float) -> float:
    return 0.1 ** sum(done >= at for at in STEPS)


def _constant(done: float) -> float:
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": _cosine, "step": _step, "constant": _constant}
