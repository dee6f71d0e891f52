"""What can be computed in several ways: what each way would cost, and which is taken.

A kernel's algorithms (`convolution.planner`) and a network layer's (`layers.planner`) are priced in the same three
figures and explained in the same table. Seconds are a few coefficients times the amounts of each kind of work. The
coefficients stand in `costs.json`, by instruction set, as `python -m benchmarks.calibrate` measured them on the machine
it names: processor time of one thread, and of layers the time of two. On another machine everything takes longer or
shorter by about one factor, so that the choice carries over, and depends on nothing measured while a program runs: the
same call gives the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from html import escape
from importlib.resources import files
from operator import mul
from typing import Any, Protocol

from convolens import _core

ABOUT_AS_FAST = 1.1  # times the least time predicted
# Where a set's prices stand, the later ones first: a set that is another with more beside it has prices of that alone.
# What is not in the table is priced as the oldest that is.
_MEASURED_AS = {
    "amx": ("avx512", "avx512_vnni", "amx"),
    "avx512_bf16": ("avx512", "avx512_vnni", "avx512_bf16"),
    "avx512_vnni": ("avx512", "avx512_vnni"),
    "avx512": ("avx512",),
    "avx2_vnni": ("avx2", "avx2_vnni"),
}


class Named(Protocol):
    """An algorithm, as far as a plan needs to know it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What `method=` calls it."""


@dataclass(frozen=True)
class Cost:
    """What an algorithm is predicted to need.

    Attributes:
        seconds: wall time.
        memory: bytes besides the input, the weights as they were given, and the output.
        error: bound of the error of any output: of a kernel's in units of max|x| · Σ|kernel|, 0 for integers; of a
            layer's in units of the largest output.
    """

    seconds: float
    memory: float
    error: float


@dataclass(frozen=True, eq=False)
class Candidate:
    """What became of one algorithm: its cost, or why it cannot do the problem."""

    algorithm: Any
    cost: Cost | None
    refusal: str | None = None

    @property
    def name(self) -> str:
        """What `method=` calls it."""
        return str(self.algorithm.NAME)


@dataclass(frozen=True, eq=False)
class Plan:
    """The recipe for a problem.

    Attributes:
        problem: what is to be computed, without its numbers.
        chosen: the candidate that will run.
        candidates: all of them.
    """

    problem: Any
    chosen: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def method(self) -> str:
        """Name of the chosen algorithm."""
        return self.chosen.name

    @property
    def cost(self) -> Cost:
        """What it is predicted to need."""
        return cost_of(self.chosen)

    def explain(self) -> str:
        """A table of all candidates: milliseconds and memory predicted, bound of the error, or why not."""
        lines = [f"{'method':<14}{'predicted ms':>14}{'memory MB':>12}{'error bound':>13}"]
        for candidate in self.candidates:
            mark = "*" if candidate is self.chosen else " "
            cost = candidate.cost
            if cost is None:
                lines.append(f"{mark} {candidate.name:<12}cannot: {candidate.refusal}")
                continue
            figures = f"{cost.seconds * 1e3:>14.4f}{cost.memory / 1e6:>12.2f}{cost.error:>13.1e}"
            lines.append(f"{mark} {candidate.name:<12}{figures}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the table, the chosen one in bold."""
        rows = []
        for candidate in self.candidates:
            name = escape(candidate.name)
            name = f"<b>{name}</b>" if candidate is self.chosen else name
            if candidate.cost is None:
                rows.append(f'<td>{name}</td><td colspan="3">cannot: {escape(str(candidate.refusal))}</td>')
                continue
            cost = candidate.cost
            figures = (f"{cost.seconds * 1e3:.4f}", f"{cost.memory / 1e6:.2f}", f"{cost.error:.1e}")
            rows.append(f"<td>{name}</td>" + "".join(f"<td>{figure}</td>" for figure in figures))
        head = "".join(f"<th>{word}</th>" for word in ("method", "predicted ms", "memory MB", "error bound"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cost_of(candidate: Candidate) -> Cost:
    """The cost of a candidate that can do the problem."""
    assert candidate.cost is not None
    return candidate.cost


def best(able: Sequence[Candidate]) -> Candidate:
    """The fastest; of those that are about as fast, the most precise: predictions are no better than that."""
    enough = ABOUT_AS_FAST * min(cost_of(one).seconds for one in able)
    about_as_fast = (one for one in able if cost_of(one).seconds <= enough)
    return min(about_as_fast, key=lambda one: (cost_of(one).error, cost_of(one).seconds))


@lru_cache(maxsize=256)
def at_pace(plan: Plan, slower: float) -> Plan:
    """The same plan with the times of a machine that is so many times slower than the table's."""

    def scaled(one: Candidate) -> Candidate:
        return one if one.cost is None else replace(one, cost=replace(one.cost, seconds=one.cost.seconds * slower))

    candidates = tuple(map(scaled, plan.candidates))
    return replace(plan, chosen=candidates[plan.candidates.index(plan.chosen)], candidates=candidates)


def seconds(work: str, dtype: str, amounts: Iterable[float]) -> float:
    """One thread's time for such amounts of a kind of work, on the table's machine of this instruction set."""
    return float(sum(map(mul, coefficients(_core.instruction_set())[work][dtype], amounts)))


@cache
def coefficients(instruction_set: str) -> dict[str, dict[str, list[float]]]:
    """By kind of work and dtype, seconds for each unit of each amount."""
    table = json.loads(files("convolens").joinpath("costs.json").read_text())
    found: dict[str, dict[str, list[float]]] = {}
    for name in _MEASURED_AS.get(instruction_set, ("avx2",)):
        found |= table.get(name, {"seconds": {}})["seconds"]
    return found
