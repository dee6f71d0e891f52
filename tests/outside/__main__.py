"""Runs the peers' own tests against ours, and says which fail.

    python -m tests.outside signal|ndimage [--conventions] [-k EXPRESSION]     SciPy's, which come with it
    python -m tests.outside skimage FOLDER [-k EXPRESSION]     FOLDER: `tests/skimage` of scikit-image's sources

Names are adapted, and nothing else (`scipy_names.py`, `skimage_names.py`), but for two conventions on demand. Counted
are those tests that call what is adapted; the failures are listed by what they say. Why each of them is left is in
`docs/deviations.md`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

SKIMAGE = ("filters/test_edges.py", "filters/test_gaussian.py", "filters/test_unsharp_mask.py", "feature/test_canny.py")


def main() -> None:
    """Prints counts, then the failures, grouped by their words."""
    suite, *rest = (word for word in sys.argv[1:] if word != "--conventions")
    if suite == "skimage":
        folder, *rest = rest
        files = [str(Path(folder).resolve() / name) for name in SKIMAGE]
    else:
        import scipy

        name = {"signal": "signal/tests/test_signaltools.py", "ndimage": "ndimage/tests/test_filters.py"}[suite]
        files = [str(Path(scipy.__file__).parent / name)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        environment = os.environ | {"OUTSIDE_SUITE": suite, "OUTSIDE_OUT": str(out), "SCIPY_ARRAY_API": ""}
        environment["OUTSIDE_CONVENTIONS"] = "1" if "--conventions" in sys.argv else ""
        words = ["-q", "-p", "tests.outside.plugin", "-p", "no:cacheprovider", "-c", os.devnull, "--tb=no", "-rN"]
        subprocess.run([sys.executable, "-m", "pytest", *words, *files, *rest], env=environment, check=False)
        found = json.loads(out.read_text())
    _tell(found)


def _tell(found: dict[str, list]) -> None:
    tests = found["tests"]
    count = Counter(one["outcome"] for one in tests)
    ours, peer = (sum(number for _, whose, number in found["calls"] if whose == kind) for kind in ("ours", "peer"))
    print(f"\n{len(tests)} tests call what is adapted: {dict(count)}; {ours} calls of ours, {peer} of the peer's")
    for name, whose, number in sorted(found["calls"]):
        print(f"  {name}: {number} {whose}")
    groups: dict[str, list[str]] = defaultdict(list)
    for one in tests:
        if one["outcome"] == "failed":
            groups[_kind(str(one["why"]))].append(one["test"])
    for why, names in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(names)} × {why}")
        shown = Counter(re.sub(r"\[.*", "", name) for name in names)
        print("\n".join(f"    {number} × {name}" for name, number in shown.items()))


def _kind(why: str) -> str:
    """The words of a failure without its numbers."""
    lines = [line for line in why.splitlines() if line.strip()][:4]
    return re.sub(r"\d+(\.\d+)?(e[+-]\d+)?", "#", " / ".join(lines))[:260]


if __name__ == "__main__":
    main()
