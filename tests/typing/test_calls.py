"""What editors and checkers make of the public names."""

import subprocess
import sys
from pathlib import Path

CALLS = Path(__file__).with_name("calls.py")


def test_a_checker_knows_the_type_of_every_call_and_refuses_what_does_not_run():
    """Each call is in `assert_type`, which `Any` does not pass. Seconds where `make check` has left its cache."""
    assert CALLS.read_text("utf-8").count("assert_type(cl.") >= 60
    root = CALLS.parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(CALLS.relative_to(root))],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
