"""A stream under any kernel: the first weights by the definition, what later ones add in growing pieces by the planner.

Arrays have the stream's axis last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.aside import Aside
from convolens.convolution.delay_line import DelayLine
from convolens.convolution.head import Head
from convolens.convolution.segments import Segments
from convolens.convolution.spec import Shape, result_shape
from convolens.memory import need_memory

_HEAD = 512  # weights over all axes of a head before segments: about as many as take the time of a call of the planner
_WHOLE = 2048  # weights up to which a line is all head


@dataclass
class Pieces:
    """The pieces, and the stream's latest samples."""

    head: Head
    later: Segments | None
    line: DelayLine
    done: int = 0  # samples

    @classmethod
    def of(cls, weights: NDArray[Any], aside: Aside, rest: Shape, *, split: bool) -> Pieces:
        """The pieces of a canonical kernel, whose last weights meet the latest samples, or all of it in one."""
        length = weights.shape[-1]
        across = weights.size // length
        most = _WHOLE if across == 1 else max(1, 2 * _HEAD // across)
        start = length if length <= most or not split else max(1, _HEAD // across)
        need_memory(8 * (length + start) * max(prod(rest), 1) * weights.itemsize, "kernel", "use a shorter one")
        head = Head.of(np.ascontiguousarray(weights[..., length - start :]), aside.within(0))
        if start == length:
            return cls(head, None, DelayLine(head.reach, rest, weights.dtype))
        sizes = (*weights.shape[:-1], 1)
        outputs = result_shape((*rest, 1), sizes, (*aside.before, 0), (*aside.after, 0))[:-1]
        later = Segments.of(weights, start, aside, outputs)
        return cls(head, later, DelayLine(max(head.reach, later.reach), rest, weights.dtype))

    def convolved(self, samples: NDArray[Any]) -> NDArray[Any]:
        """As many outputs as samples, along the last axis."""
        if self.later is None:
            return self._at_once(samples)
        step = self.later.start
        parts: list[NDArray[Any]] = []
        at = 0
        size = samples.shape[-1]
        while at < size or not parts:
            count = min(size - at, step - self.done % step)
            parts.append(self._at_once(samples[..., at : at + count]))
            at += count
            if count and self.done % step == 0:
                self.later.complete(self.line)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def copy(self) -> Pieces:
        """The same, which goes on by itself."""
        return replace(self, line=self.line.copy(), later=self.later.copy() if self.later else None)

    def _at_once(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Samples within one block."""
        count = samples.shape[-1]
        self.line.append(samples)
        out = self.head.convolved(self.line, count)
        if self.later is not None:
            out += self.later.take(count)
        self.done += count
        return out
