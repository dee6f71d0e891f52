"""Forked children, sub-interpreters, and the package imported anew: each works, or says no in one sentence."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="need a system that forks")

CHILD = """
import os, signal, sys, threading
import numpy as np
import convolens as cl

def in_child(compute):
    # Whether a forked child computes the same. One that hangs is ended by the alarm.
    expected = compute()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if np.allclose(compute(), expected, atol=1e-5) else 1)
    assert os.waitpid(child, 0)[1] == 0
"""
NETWORK = """
import torch
cl.threads(2)
model = cl.classifier("resnet18", classes=2, device="cpu")
picture = np.zeros((200, 160, 3), np.uint8)
in_child(lambda: model.predict(picture).scores)
batch = torch.rand(4, 16, 56, 56)
layer = cl.layers.Conv2d(16, 16, 5)
in_child(lambda: torch.autograd.grad(layer(batch).sum(), layer.weight)[0].numpy() / 1e4)
in_child(lambda: [cl.threads(2), (torch.ones(3_000_000) + 1).sum().item()])
"""
BUSY = """
stop, image, line = threading.Event(), np.ones((700, 700), np.float32), np.ones(4000)
number = iter(range(10_000))

def work():
    # Pooled memory, tables of transforms, the pool of threads, what objects keep: whatever is or was locked.
    size = 60 + next(number) % 400
    return cl.sobel(image)[0, 0] + cl.convolve(line, np.ones(size), mode="same")[2000] / size

def keep_on():
    while not stop.is_set():
        work()

cl.threads(2)
threads = [threading.Thread(target=keep_on) for _ in range(4)]
for thread in threads:
    thread.start()
try:
    for _ in range(25):
        in_child(lambda: work() > 0)
finally:
    stop.set()
"""
AGAIN = """
import sys
import numpy as np

def use():
    import convolens as cl
    model = cl.classifier(cl.trunk("resnet18", width=1 / 16), classes=2)
    found = cl.convolve(np.ones(5000), np.ones(700)).sum(), cl.convolve(np.ones((9, 9)), np.ones((3, 3))).sum()
    return cl, *found, model.predict(np.zeros((64, 64, 3), np.uint8)).scores

first = use()
for name in [name for name in sys.modules if name.partition(".")[0] == "convolens"]:
    del sys.modules[name]
second = use()
assert first[0] is not second[0]
assert first[1:] == second[1:]
assert first[0].blur(np.ones((9, 9)), 1.0).shape == (9, 9)  # the old one still works
"""
INSIDE = """
import sys
interpreters = __import__(sys.argv[1])
code = f"import sys; sys.path[:] = {sys.path!r}; from convolens import _core"
try:
    found = interpreters.run_string(interpreters.create(), code)
except interpreters.RunFailedError as error:
    found = error
print(found)
"""


def run(code, *arguments):
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("code", [NETWORK, BUSY], ids=["after networks", "while other threads compute"])
def test_a_forked_child_computes(code):
    done = run(CHILD + code)
    assert done.returncode == 0, done.stderr


def test_the_package_can_be_imported_anew():
    done = run(AGAIN)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="newer Pythons refuse by themselves")
def test_a_sub_interpreter_is_refused_in_one_sentence():
    done = run(INSIDE, "_xxsubinterpreters")
    assert "convolens: need the main interpreter, got a sub-interpreter; use threads or processes" in done.stdout
