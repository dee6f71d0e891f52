"""The planner: every algorithm priced for the problem, the cheapest kept.

A plan depends on the problem alone, so it is made once and found again in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from time import perf_counter

import numpy as np

from convolens import memory
from convolens.convolution import costs
from convolens.convolution.algorithms import (
    direct,
    fft,
    multirate,
    outer,
    overlap_save,
    polyphase,
    reduction,
    separable,
    sparse,
)
from convolens.convolution.job import Algorithm, Estimate, Job
from convolens.convolution.spec import Spec
from convolens.errors import MethodError, need_one_of
from convolens.planning import Candidate, Cost, Plan, best, cost_of

# Every algorithm there is. A new one is a module of `job.Algorithm`'s shape and a line here; the conformance tests
# run over this tuple.
ALGORITHMS: tuple[Algorithm, ...] = (
    direct,
    sparse,
    outer,
    reduction,
    separable,
    fft,
    overlap_save,
    polyphase,
    multirate,
)

# Methods of which a band of rows gives what the whole gives, to the bit.
_BY_ROWS = (direct.NAME, sparse.NAME, separable.NAME, multirate.NAME)

METHODS = ("auto", *(algorithm.NAME for algorithm in ALGORITHMS))

# In place of a method's name, for callers within: the cheapest of those whose errors stay as local as NaN do, so that
# they are small where the signal is.
LOCAL = "local"


def plan_for(spec: Spec, method: str = "auto", local: bool = False) -> Plan:
    """The plan of a problem: the cheapest method that stays within the budget of memory, if any does.

    Raises:
        MethodError: there is no such method, or it cannot do this problem.
    """
    if method == LOCAL:
        method, local = "auto", True
    plan = _cached_plan(spec, method, local)
    if method != "auto" or memory.fits(result_bytes(spec) + plan.cost.memory):
        return plan
    return _within_budget(plan, local)


def _within_budget(plan: Plan, local: bool) -> Plan:
    """The plan without what needs too much memory; where all does, the one that needs least, refused when it runs."""
    result = result_bytes(plan.problem)
    able = [one for one in plan.candidates if _able(one, local)]
    fitting = [one for one in able if memory.fits(result + cost_of(one).memory)]
    candidates = tuple(
        one if one.cost is None or one in fitting else _over_budget(one, result) for one in plan.candidates
    )
    if fitting:
        return Plan(plan.problem, best(fitting), candidates)
    return replace(plan, chosen=min(able, key=lambda one: cost_of(one).memory))


def _over_budget(candidate: Candidate, result: int) -> Candidate:
    return replace(candidate, cost=None, refusal=f"needs {memory.shown(result + cost_of(candidate).memory)} of memory")


def result_bytes(spec: Spec) -> int:
    """What the result takes."""
    return spec.size * (spec.rounded or spec.dtype).itemsize


def plan_by_rows(spec: Spec) -> Plan:
    """The plan of a problem that is done a band of rows at a time: the whole's, if its bands add up to the whole.

    The budget of memory does not count, as the whole is never in memory.
    """
    plan = _cached_plan(spec, "auto", False)
    if plan.method in _BY_ROWS:
        return plan
    able = [one for one in plan.candidates if one.cost is not None and one.name in _BY_ROWS]
    return replace(plan, chosen=best(able))


def _able(candidate: Candidate, local: bool) -> bool:
    return candidate.cost is not None and (candidate.algorithm.KEEPS_NONFINITE_LOCAL or not local)


@lru_cache(maxsize=4096)
def _cached_plan(spec: Spec, method: str, local: bool) -> Plan:
    need_one_of("method", method, METHODS, MethodError)
    candidates = tuple(_candidate(algorithm, spec) for algorithm in ALGORITHMS)
    able = [c for c in candidates if _able(c, local)]
    if method != "auto":
        forced = next(c for c in candidates if method == c.algorithm.NAME)
        if forced.cost is None:
            raise MethodError(
                f"method {method!r}: need a problem it can do, but {forced.refusal}; 'auto' finds another"
            )
        return Plan(spec, forced, candidates)
    return Plan(spec, best(able), candidates)


def run(plan: Plan, job: Job, *, local: bool = False) -> None:
    """Carries a plan out; with `local` its parts, too, are left only to methods that spread no NaN."""
    plan.chosen.algorithm.run(job, partial(solve, local=True) if local else solve)


def measured(job: Job) -> Plan:
    """The plan of a problem by the clock: every algorithm that can do it runs three times, and the fastest is kept."""
    candidates = tuple(_timed(candidate, job) for candidate in plan_for(job.spec).candidates)
    return Plan(job.spec, min((c for c in candidates if c.cost), key=lambda one: cost_of(one).seconds), candidates)


def _timed(candidate: Candidate, job: Job) -> Candidate:
    if candidate.cost is None:
        return candidate
    seconds = min_seconds(lambda: candidate.algorithm.run(job, solve), 3)
    return replace(candidate, cost=replace(candidate.cost, seconds=seconds))


def min_seconds(call: Callable[[], None], repeats: int) -> float:
    """The least time by the clock, as a busy machine only ever adds to it."""
    shortest = np.inf
    for _ in range(repeats):
        start = perf_counter()
        call()
        shortest = min(shortest, perf_counter() - start)
    return shortest


def _candidate(algorithm: Algorithm, spec: Spec) -> Candidate:
    steps = spec.step and not algorithm.TAKES_STEPS
    refusal = "not every place is wanted, which polyphase knows" if steps else algorithm.refuses(spec)
    if refusal:
        return Candidate(algorithm, None, refusal)
    cost = algorithm.cost(spec, best_cost)
    return Candidate(algorithm, replace(cost, seconds=cost.seconds + _overhead_seconds(cost, spec)))


def _overhead_seconds(cost: Estimate, spec: Spec) -> float:
    """Seconds for what is done before and after the algorithm, where that does not do it on the way."""
    forming = spec.structure.lines and not cost.by_lines
    rounding = spec.rounded is not None and not cost.rounds
    return (costs.forming_seconds(spec) if forming else 0.0) + (costs.rounding_seconds(spec) if rounding else 0.0)


def rounds(plan: Plan) -> bool:
    """Whether the chosen algorithm can write a result that is rounded to integers on the way."""
    cost = plan.cost
    return isinstance(cost, Estimate) and cost.rounds


def best_cost(spec: Spec) -> Cost:
    """What a part of a problem would need, by the best algorithm for it."""
    return plan_for(spec).cost


def solve(job: Job, *, local: bool = False) -> None:
    """Runs a part of a problem by the best algorithm for it; with `local`, one that spreads no NaN."""
    run(plan_for(job.spec, local=local), job, local=local)
