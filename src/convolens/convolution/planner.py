"""The planner: every algorithm priced for the problem, the cheapest kept.

A plan depends on the problem alone, so it is made once and found again in microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from time import perf_counter

import numpy as np

from convolens.convolution import costs
from convolens.convolution.algorithms import direct, fft, multirate, outer, overlap_save, reduction, separable, sparse
from convolens.convolution.job import Algorithm, Cost, Job
from convolens.convolution.spec import Spec
from convolens.errors import MethodError, need_one_of

# Every algorithm there is. A new one is a module of `job.Algorithm`'s shape and a line here; the conformance tests
# run over this tuple.
ALGORITHMS: tuple[Algorithm, ...] = (direct, sparse, outer, reduction, separable, fft, overlap_save, multirate)

ABOUT_AS_FAST = 1.1  # times the least time predicted
METHODS = ("auto", *(algorithm.NAME for algorithm in ALGORITHMS))


@dataclass(frozen=True)
class Candidate:
    """What became of one algorithm: its cost, or why it cannot do the problem."""

    algorithm: Algorithm
    cost: Cost | None
    refusal: str | None = None


@dataclass(frozen=True)
class Plan:
    """The recipe for a problem.

    Attributes:
        spec: the problem.
        chosen: the candidate that will run.
        candidates: all of them.
    """

    spec: Spec
    chosen: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def method(self) -> str:
        """Name of the chosen algorithm."""
        return self.chosen.algorithm.NAME

    @property
    def cost(self) -> Cost:
        """What it is predicted to need."""
        assert self.chosen.cost is not None
        return self.chosen.cost

    def run(self, job: Job, *, local: bool = False) -> None:
        """Carries it out; with `local` its parts, too, are left only to methods that spread no NaN."""
        self.chosen.algorithm.run(job, partial(solve, local=True) if local else solve)

    def explain(self) -> str:
        """A table of all candidates: milliseconds and memory predicted, bound of the error, or why not."""
        lines = [f"{'method':<14}{'predicted ms':>14}{'memory MB':>12}{'error bound':>13}"]
        for candidate in self.candidates:
            name = candidate.algorithm.NAME
            mark = "*" if candidate is self.chosen else " "
            if candidate.cost is None:
                lines.append(f"{mark} {name:<12}cannot: {candidate.refusal}")
                continue
            cost = candidate.cost
            lines.append(f"{mark} {name:<12}{cost.seconds * 1e3:>14.4f}{cost.memory / 1e6:>12.2f}{cost.error:>13.1e}")
        return "\n".join(lines)


def plan_for(spec: Spec, method: str = "auto", local: bool = False) -> Plan:
    """The plan of a problem.

    Raises:
        MethodError: there is no such method, or it cannot do this problem.
    """
    return _made_once(spec, method, local)


@lru_cache(maxsize=4096)
def _made_once(spec: Spec, method: str, local: bool) -> Plan:
    need_one_of("method", method, METHODS, MethodError)
    candidates = tuple(_candidate(algorithm, spec) for algorithm in ALGORITHMS)
    able = [c for c in candidates if c.cost is not None and (c.algorithm.LOCAL or not local)]
    if method != "auto":
        forced = next(c for c in candidates if method == c.algorithm.NAME)
        if forced.cost is None:
            raise MethodError(
                f"method {method!r}: need a problem it can do, but {forced.refusal}; 'auto' finds another"
            )
        return Plan(spec, forced, candidates)
    return Plan(spec, _best(able), candidates)


def _best(able: list[Candidate]) -> Candidate:
    """The fastest; of those that are about as fast, the most precise: predictions are no better than that."""
    enough = ABOUT_AS_FAST * min(map(_seconds, able))
    return min((c for c in able if _seconds(c) <= enough), key=lambda c: (_error(c), _seconds(c)))


def measured(job: Job) -> Plan:
    """The plan of a problem by the clock: every algorithm that can do it runs three times, and the fastest is kept."""
    candidates = tuple(_timed(candidate, job) for candidate in plan_for(job.spec).candidates)
    return Plan(job.spec, min((c for c in candidates if c.cost), key=_seconds), candidates)


def _timed(candidate: Candidate, job: Job) -> Candidate:
    if candidate.cost is None:
        return candidate
    best = np.inf
    for _ in range(3):
        start = perf_counter()
        candidate.algorithm.run(job, solve)
        best = min(best, perf_counter() - start)
    return replace(candidate, cost=replace(candidate.cost, seconds=best))


def _candidate(algorithm: Algorithm, spec: Spec) -> Candidate:
    refusal = algorithm.refuses(spec)
    if refusal:
        return Candidate(algorithm, None, refusal)
    cost = algorithm.cost(spec, best_cost)
    return Candidate(algorithm, replace(cost, seconds=cost.seconds + _besides(cost, spec)))


def _besides(cost: Cost, spec: Spec) -> float:
    """Seconds for what is done before and after the algorithm, where that does not do it on the way."""
    forming = spec.structure.lines and not cost.by_lines
    rounding = spec.rounded is not None and not cost.rounds
    return (costs.forming_seconds(spec) if forming else 0.0) + (costs.rounding_seconds(spec) if rounding else 0.0)


def _seconds(candidate: Candidate) -> float:
    assert candidate.cost is not None
    return candidate.cost.seconds


def _error(candidate: Candidate) -> float:
    assert candidate.cost is not None
    return candidate.cost.error


def best_cost(spec: Spec) -> Cost:
    """What a part of a problem would need, by the best algorithm for it."""
    return plan_for(spec).cost


def solve(job: Job, *, local: bool = False) -> None:
    """Runs a part of a problem by the best algorithm for it; with `local`, one that spreads no NaN."""
    plan_for(job.spec, local=local).run(job, local=local)
