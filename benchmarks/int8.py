"""Whole networks in 8-bit integers, ours and other engines', and ours in float32, each in a process of its own.

The peers run one file, quantized by ONNX Runtime's own quantizer: bytes, a scale for each filter, all layers but the
first. All are calibrated on the input. `CONVOLENS_ISA` says what ours may use: `avx512`, `avx2_vnni`, `avx2`.
"""

from __future__ import annotations

from benchmarks.engines import CASES, case
from benchmarks.harness import Report

ENGINES = ("int8", "ours", "ONNX Runtime int8", "OpenVINO int8")
TOLERANCE = 0.2  # of the largest output: networks with random weights, which lie apart by their rounding
TITLE = "Networks in 8-bit integers"
NOTE = (
    "Ours by `cl.quantize`'s levels; `ours` among the peers is in float32. Each engine in a process of its own, "
    "sleeping while it is another's turn; medians of nine turns."
)


def run() -> None:
    report = Report("int8", TITLE, NOTE)
    for name, batch in CASES:
        report.rows.append(case(name, batch, ENGINES, TOLERANCE))
        print(report.rows[-1].markdown(), flush=True)
    report.write()


if __name__ == "__main__":
    run()
