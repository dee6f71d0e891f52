"""The pool of threads where the system gives no more memory: an error for the caller, never the process's end."""

import sys

import pytest

from convolens import _core
from tests.core.fresh import run

SHORT_OF_MEMORY = """
import resource, sys
import numpy as np
from convolens import _core

_core.set_threads(1)  # the spectrum takes memory of the caller's only
x = np.ones((4, 3000, 3000), np.float32)
spectrum = _core.Spectrum(np.ones((1, 900, 900), np.float32), [2048, 4096])  # more than malloc may hold ready
small = _core.Spectrum(np.ones((1, 40, 40), np.float32), [64, 64])
_core.set_threads(2)
maps = _core.Maps([np.arange(4)] + [np.arange(3000)] * 2)
small.correlate(x, np.empty((4, 2961, 2961), np.float32), maps, 0)  # the threads are there
out = np.empty((4, 2101, 2101), np.float32)
held = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (held + (int(sys.argv[1]) << 20), -1))
try:
    spectrum.correlate(x, out, maps, 0)
except MemoryError:
    print("refused")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
spectrum.correlate(x, out, maps, 0)
print(abs(out - 900 * 900).max() < 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="need Linux to limit a process's memory")
@pytest.mark.parametrize("megabytes", [0, 4])
def test_a_job_without_memory_is_an_error_and_the_next_one_runs(megabytes):
    done = run(SHORT_OF_MEMORY, str(megabytes))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"
    if megabytes == 0:
        assert done.stdout.splitlines()[0] == "refused"


def test_threads_are_at_least_one():
    before = _core.threads()
    _core.set_threads(0)
    assert _core.threads() == 1
    _core.set_threads(before)
