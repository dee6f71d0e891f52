"""ONNX Runtime reports what it runs, from the moment of its import, unless it is told not to; so it is told before."""

import os
import subprocess
import sys

import pytest

from tests.fuzz.onnx_files import seeds

LOAD = """
import os, sys
from convolens.loading import load
load(sys.argv[1], device="cpu").predict(__import__("numpy").zeros((40, 60, 3), "uint8"))
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="where the file of a reporting session lies is known of Linux")
@pytest.mark.parametrize("own", [None, "1"])
def test_predicting_leaves_no_trace_of_a_reporting_session(tmp_path, own):
    (tmp_path / "a.onnx").write_bytes(seeds()[0])
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    environment |= {} if own is None else {"ORT_DISABLE_TELEMETRY": own}
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "a.onnx")], env=environment, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout == "1\n", done.stderr
    assert [path for name in ("home", "tmp") for path in (tmp_path / name).rglob("*") if path.is_file()] == []
