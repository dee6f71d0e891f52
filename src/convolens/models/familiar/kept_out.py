"""What a distance means: how often a picture is as far away that is like those learned from, by pictures kept out.

A conformal p-value (Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2): with n
distances of kept-out pictures, a further one's is as likely in any of the n + 1 gaps, so that calling unfamiliar what
is below a rate calls at most that fraction of familiar pictures so. Beyond the largest a small set says nothing: there
the tail of a normal distribution of the logarithms goes on, as a prediction interval has it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.first_use import loaded

LEAST = 8  # distances: fewer do not say how they vary
MOST = 1000  # that are kept: quantiles of more say the same


class KeptOut(nn.Module):
    """Distances of pictures that were not learned from.

    Args:
        count: how many are kept.

    Buffers: `distances` `(count,)`, in rising order, above 0.
    """

    distances: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("distances", torch.ones(count))

    @classmethod
    def of(cls, distances: Float[ndarray, " pictures"]) -> KeptOut:
        """Keeps distances, at most `MOST`."""
        ordered = np.sort(np.maximum(distances, 1e-12))
        if len(ordered) > MOST:
            ordered = np.quantile(ordered, (np.arange(MOST) + 0.5) / MOST)
        made = cls(len(ordered))
        made.distances = torch.from_numpy(ordered.astype(np.float32))
        return made

    def familiar(self, distances: Float[ndarray, " pictures"]) -> NDArray[np.float64]:
        """The probability that a familiar picture is as far away or farther, from 0 to 1.

        >>> KeptOut.of(np.arange(1.0, 10.0)).familiar(np.array([0.5, 5.0, 9.0]))
        array([1. , 0.6, 0.2])
        """
        t = loaded("scipy.stats").t

        kept = np.sort(self.distances.double().cpu().numpy().clip(1e-12))  # as a file may have them otherwise
        count = len(kept)
        away = np.asarray(distances, np.float32).astype(np.float64)
        found = (count - np.searchsorted(kept, away, side="left") + 1) / (count + 1)
        beyond = away > kept[-1]
        if beyond.any():
            logs = np.log(kept)
            spread = max(float(logs.std(ddof=1)) * math.sqrt(1 + 1 / count), 1e-6)
            tail = t.logsf((np.log(np.append(away[beyond], kept[-1])) - logs.mean()) / spread, count - 1)
            found[beyond] = np.exp(tail[:-1] - tail[-1]) / (count + 1)
        clipped: NDArray[np.float64] = found.clip(0, 1)
        return clipped
