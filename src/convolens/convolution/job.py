"""One concrete call: a problem with its arrays; and what an algorithm must offer to be chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from convolens.convolution.product import Product
from convolens.convolution.spec import Spec
from convolens.planning import Cost


@dataclass(frozen=True)
class Job:
    """A problem and its arrays.

    Attributes:
        spec: the problem.
        x: signal of `spec.shape` and dtype `spec.source`, of any strides.
        kernel: of `spec.kernel_shape` and `spec.dtype`, in the order of the window (a convolution's kernel is flipped).
            A product of lines becomes one array only where NumPy is asked for it.
        fill: value of the `constant` boundary.
        out: of `spec.out` and `spec.dtype`, of any strides, sharing no memory with the others. Of `spec.rounded`, if
            that is given, for an algorithm whose cost says that it rounds.
    """

    spec: Spec
    x: NDArray[Any]
    kernel: NDArray[Any] | Product
    fill: Any
    out: NDArray[Any]


@dataclass(frozen=True)
class Estimate(Cost):
    """What an algorithm is predicted to need, and what it does on the way.

    Attributes:
        rounds: whether it can write a result that is rounded to integers, without another pass for that.
        by_lines: whether it reads the lines of a product, whose array need then not be formed.
    """

    rounds: bool = False
    by_lines: bool = False


# Runs another problem with the best algorithm for it; with `local`, only one that keeps NaN and infinities where they
# are. Algorithms get it as an argument, so that none needs to know the others.
Solve = Callable[..., None]


@runtime_checkable
class Algorithm(Protocol):
    """One way to convolve: a module of this shape, in `planner.ALGORITHMS`."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What `method=` calls it."""

    @property
    def KEEPS_NONFINITE_LOCAL(self) -> bool:  # noqa: N802
        """Whether NaN and infinities stay in the outputs whose window holds them, at its usual speed."""

    @property
    def TAKES_STEPS(self) -> bool:  # noqa: N802
        """Whether it computes outputs at every step-th place alone; the others are asked for problems without steps."""

    def refuses(self, spec: Spec) -> str | None:
        """Why it cannot do the problem, or None."""

    def cost(self, spec: Spec, best: Callable[[Spec], Cost]) -> Estimate:
        """What the problem would need; `best` prices parts of it that are left to other algorithms."""

    def run(self, job: Job, solve: Solve) -> None:
        """Writes the result to `job.out`."""
