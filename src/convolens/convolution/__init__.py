"""One convolution: `convolve`, `correlate`, their plan and their gradients; `convolver` for a stream.

A call is three steps: `spec.py` checks the arguments and brings them to one canonical problem; `planner.py` finds the
cheapest algorithm for that problem, once; the algorithm, one file each, runs.
"""

from __future__ import annotations

from convolens.convolution.operation import convolve, convolve_gradients, correlate, plan
from convolens.convolution.streaming import Convolver, convolver
from convolens.planning import Plan

__all__ = ["Convolver", "Plan", "convolve", "convolve_gradients", "convolver", "correlate", "plan"]
