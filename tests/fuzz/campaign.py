"""Reads thousands of damaged files, calls with thousands of odd arguments, and counts what comes of it.

    python -m tests.fuzz --minutes 2

Each case is made from the seed and its number alone, so that any can be made again (`--start N --cases 1`) and a
campaign resumed (`--resume`, from what stands in `--keep`). A process of its own does the work: where it ends, hangs or
takes too much memory, that is a finding, and another goes on after it. What is not clean or a typed error is kept in
`--keep`, the first of each kind, as small as it can be made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.formats import FORMATS, MUTATORS
from tests.fuzz.supervisor import Supervisor

KINDS = (*FORMATS, "calls")
OUTCOMES = ("clean", "typed", "untyped", "crash", "hang", "memory", "wrong success")
STATE = "state.json"
FILES_A_CALL = 4  # 200,000 files and 50,000 calls


def main() -> int:
    """Runs the campaign; the exit code is 1 where there is a finding."""
    options = parsed()
    options.keep.mkdir(parents=True, exist_ok=True)
    counts = campaign(options)
    print(table(counts))
    return int(any(counts[kind, outcome] for kind in KINDS for outcome in OUTCOMES[2:]))


def parsed() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=1 << 60, help="how many at most")
    parser.add_argument("--only", choices=KINDS, action="append", help="a kind; again for more")
    parser.add_argument("--mutators", choices=MUTATORS, default=MUTATORS[0])
    parser.add_argument("--resume", action="store_true", help="after the last case that --keep knows of")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "convolens-fuzz")
    return parser.parse_args()


def order(only: list[str] | None) -> list[str]:
    """The kinds in turn, a call behind every few files."""
    if only:
        return only
    rounds = range(max(form.turns for form in FORMATS.values()))
    files = [kind for turn in rounds for kind, form in FORMATS.items() if form.turns > turn]
    return [one for at, kind in enumerate(files) for one in ([kind, "calls"] if at % FILES_A_CALL == 3 else [kind])]


def campaign(options: argparse.Namespace) -> Counter[tuple[str, str]]:
    """Counts outcomes by kind, until the time is up."""
    state = _state(options)
    counts = Counter({(kind, outcome): count for kind, outcome, count in state["counts"]})
    kinds, seen = order(options.only), set[str]()
    worker = Supervisor(options.seed, options.mutators, options.keep, kinds)
    last = state["next"] + options.cases
    for number, (outcome, mark, told) in worker.outcomes(state["next"], last, time.monotonic() + 60 * options.minutes):
        kind = kinds[number % len(kinds)]
        counts[kind, outcome] += 1
        if mark and mark not in seen:
            seen.add(mark)
            print(f"case {number}, {kind}: {outcome}: {told}", flush=True)
        state["next"] = number + 1
        if number % 1000 == 0:
            _keep_state(options, state, counts)
    _keep_state(options, state, counts)
    print(f"cases {options.start} to {state['next'] - 1} of seed {options.seed}, {options.mutators} mutators")
    return counts


def _state(options: argparse.Namespace) -> dict[str, Any]:
    begin = {"seed": options.seed, "mutators": options.mutators, "next": options.start, "counts": []}
    path = options.keep / STATE
    if not options.resume or not path.exists():
        return begin
    known: dict[str, Any] = json.loads(path.read_text())
    if (known["seed"], known["mutators"]) != (options.seed, options.mutators):
        raise SystemExit(f"{path}: is of seed {known['seed']}, {known['mutators']} mutators; give another --keep")
    return known


def _keep_state(options: argparse.Namespace, state: dict[str, Any], counts: Counter[tuple[str, str]]) -> None:
    state["counts"] = [[*key, count] for key, count in counts.items()]
    (options.keep / STATE).write_text(json.dumps(state))


def table(counts: Counter[tuple[str, str]]) -> str:
    """Cases by kind and outcome, in columns."""
    rows = [("", "cases", *OUTCOMES)]
    for kind in (*KINDS, "all"):
        found = [sum(counts[one, outcome] for one in (KINDS if kind == "all" else [kind])) for outcome in OUTCOMES]
        if sum(found):
            rows.append((kind, str(sum(found)), *map(str, found)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
