"""Parts with defects that were never learned from: how long training takes, and what is found.

`python -m benchmarks.unusual [brick] [grass] [gravel] --method padim --test 20`

The crops of `examples/defects.py`, 128 pixels a side, with the weights `hed` and what `train unusual` chooses: 60 good
ones are learned from, and as many of each kind as `--test` says are measured on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import convolens as cl

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from defects import SURFACES, write_defects

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("surfaces", nargs="*", metavar="{brick,grass,gravel}")
    parser.add_argument("--method", choices=["padim", "patchcore"], default="padim")
    parser.add_argument("--test", type=int, default=20, help="crops of each kind to test on")
    parser.add_argument("--tap", action="append", help="again for more; default: those that training chooses")
    parser.add_argument("--size", type=int, help="of the network's input, in pixels; default: the crops'")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name in given.surfaces or SURFACES:
            write_defects(Path(folder), name, test=given.test)
            start, work = time.perf_counter(), time.process_time()
            run = cl.train("unusual", f"{folder}/{name}", method=given.method, trunk="vgg16", weights="hed",
                           taps=given.tap, size=given.size, out=f"{folder}/runs/{name}", progress=False)  # fmt: skip
            seconds = f"{time.perf_counter() - start:.1f} s, {time.process_time() - work:.1f} s of processors"
            found = cl.evaluate(run.load(), f"{folder}/{name}", progress=False)
            kinds = ", ".join(f"{kind} {one['auroc']:.3f}" for kind, one in found["per_class"].items())
            print(f"{name}, {given.method}: trained in {seconds}; {found.summary()}; {kinds}", flush=True)
