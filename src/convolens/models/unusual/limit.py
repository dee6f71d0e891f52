"""From which score a picture is unusual, by good pictures alone."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from convolens.first_use import loaded

LEAST = 8  # good pictures: fewer do not say how they vary


def limit(scores: Float[ndarray, " pictures"], false_alarms: float) -> float:
    """The score that a further good picture exceeds with a probability of at most `false_alarms`.

    Where there are enough scores, the one that so many exceed (with n scores any of the n + 1 gaps is equally likely to
    be a further one's). Otherwise the bound of a prediction interval for scores whose logarithms are normal, and at
    least the largest that was seen.

    Args:
        scores: of good pictures that the model did not learn from, above 0.
        false_alarms: from 0 to 1.

    >>> limit(np.arange(1.0, 100.0), 0.05)
    95.0
    """
    ordered = np.sort(scores)
    above = math.floor(false_alarms * (len(ordered) + 1))
    if above >= 1:
        return float(ordered[-above])
    t = loaded("scipy.stats").t

    logs = np.log(np.maximum(ordered, 1e-12))
    reach = t.ppf(1 - false_alarms, len(logs) - 1) * math.sqrt(1 + 1 / len(logs))
    return float(max(np.nextafter(ordered[-1], np.inf), np.exp(logs.mean() + reach * logs.std(ddof=1))))
