"""`python -m benchmarks [NAME ...]`: runs the benchmarks and rewrites their sections of benchmarks/README.md."""

from __future__ import annotations

import sys
from importlib import import_module

# One line each: a module with `run()`, which times its cases and writes its section.
BENCHMARKS: tuple[str, ...] = (
    "bfloat16",
    "busy",
    "convolve",
    "detect",
    "effects",
    "engines",
    "explain",
    "int8",
    "layers",
    "limits",
    "planner_accuracy",
    "sizes",
    "sounds",
    "sound_files",
    "scan",
    "stylize",
)


def main() -> None:
    chosen = sys.argv[1:] or BENCHMARKS
    for name in chosen:
        if name not in BENCHMARKS:
            sys.exit(f"benchmarks: need one of {', '.join(BENCHMARKS)}, got {name}")
    for name in chosen:
        import_module(f"benchmarks.{name}").run()


if __name__ == "__main__":
    main()
