"""On a core that others use, too: torch's threads come late there, and the core's own pool takes over."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import torch
import convolens as cl

torch.manual_seed(0)
network = torch.nn.Sequential(*[torch.nn.Conv2d(32, 32, 3, padding=1) for _ in range(4)]).requires_grad_(False)
fused, x = cl.fuse(network.eval()), torch.randn(2, 32, 56, 56)
cl.threads(1)
alone = fused(x)
cl.threads(2)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # two threads on one core
torch.relu(torch.randn(1000, 1000))  # and torch's would like it as well
print(all(torch.equal(fused(x), alone) for _ in range(60)))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="need a process that can be kept to one core")
def test_the_same_bits_on_a_core_that_is_shared():
    environment = os.environ | {"OMP_NUM_THREADS": "2", "CONVOLENS_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=100)
    assert done.stdout == "True\n", done.stderr
