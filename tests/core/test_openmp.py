"""The threads that torch computes with are the core's too, of whichever OpenMP library torch was linked with."""

import ctypes.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convolens import _core
from tests.core.fresh import run

# The part of torch that is linked with OpenMP is played by an empty library of that name.
SHARED = """
import ctypes, sys
import numpy as np
from convolens import _core
from tests.core.fresh import run

def blurred(threads):
    _core.set_threads(threads)
    import convolens as cl
    return cl.blur(np.random.default_rng(0).random((700, 500), np.float32), 3)

alone = blurred(1)
assert _core.share_threads() == ""
ctypes.CDLL(sys.argv[1])
print(_core.share_threads())
for _ in range(3):
    assert (blurred(2) == alone).all() and (blurred(3) == alone).all()
"""

COMPILER = shutil.which("cc")
LIBRARIES = [name for name in ("gomp", "omp", "iomp5") if ctypes.util.find_library(name)]


@pytest.mark.skipif(sys.platform != "linux" or not COMPILER, reason="need Linux and a C compiler")
@pytest.mark.parametrize("name", LIBRARIES)
def test_the_library_that_torch_was_linked_with_is_found_and_gives_the_same_bits(name, tmp_path):
    found = ctypes.util.find_library(name)
    torch = tmp_path / "libtorch_cpu.so"
    command = [COMPILER, "-shared", "-x", "c", "/dev/null", "-o", torch, "-Wl,--no-as-needed", f"-l:{found}"]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    done = run(SHARED, str(torch))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).name.startswith(f"lib{name}")


def test_without_torch_there_is_nothing_to_share():
    if "torch" not in sys.modules:
        assert _core.share_threads() == ""
