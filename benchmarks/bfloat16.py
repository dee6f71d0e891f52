"""Whole networks in bfloat16, ours and other engines', and ours in float32, each in a process of its own.

For processors that multiply bfloat16 (AVX-512 BF16, AMX). Ours are `cl.precision("bfloat16")`: maps stay float32,
and so do layers that Winograd's algorithm computes in less time.
"""

from __future__ import annotations

from benchmarks.engines import CASES, case
from benchmarks.harness import Report

ENGINES = ("bfloat16", "ours", "PyTorch bfloat16", "OpenVINO bfloat16")
TOLERANCE = 5e-2  # of the largest output: the peers round each map to 8 bits too
TITLE = "Networks in bfloat16"
NOTE = (
    'Ours by `cl.precision("bfloat16")`; `ours` among the peers is in float32. Each engine in a process of its own, '
    "sleeping while it is another's turn; medians of nine turns."
)


def run() -> None:
    report = Report("bfloat16", TITLE, NOTE)
    for name, batch in CASES:
        report.rows.append(case(name, batch, ENGINES, TOLERANCE))
        print(report.rows[-1].markdown(), flush=True)
    report.write()


if __name__ == "__main__":
    run()
