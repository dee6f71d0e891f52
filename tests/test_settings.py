import os
import subprocess
import sys

import numpy as np
import pytest

import convolens as cl
from convolens import _core, settings
from convolens.errors import ArgumentError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture(autouse=True)
def _same_threads_after():
    before = cl.threads()
    yield
    cl.threads(before)


def test_threads_are_set_and_told():
    assert cl.threads(3) == 3
    assert cl.threads() == 3


@pytest.mark.bad_input
@pytest.mark.parametrize("count", [0, -1, 1.5, "two", True])
def test_a_count_of_threads_that_is_none_is_refused(count):
    with pytest.raises(ArgumentError, match="threads: need a whole number of at least 1"):
        cl.threads(count)


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({"CONVOLENS_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"CONVOLENS_THREADS": "5", "OMP_NUM_THREADS": "3"}, 5),
        ({"OMP_NUM_THREADS": "none"}, CORES),
        ({}, CORES),
    ],
)
def test_the_environment_sets_the_number_of_threads(variables, count):
    code = "import convolens as cl; print(cl.threads())"
    others = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    out = subprocess.run(
        [sys.executable, "-c", code], env=others | variables, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == str(count)


@pytest.mark.parametrize(
    ("value", "said"),
    [("exact", "exact"), ("", "fast"), ("best", "CONVOLENS_PRECISION: need one of exact, fast, bfloat16")],
)
def test_the_environment_sets_the_precision(monkeypatch, value, said):
    monkeypatch.setattr(settings, "_precision", None)
    monkeypatch.setenv("CONVOLENS_PRECISION", value)
    if value != "best":
        assert cl.precision() == said
    else:
        with pytest.raises(ArgumentError, match=said):
            cl.precision()


def test_a_forked_child_computes_with_threads_of_its_own():
    image = np.random.default_rng(0).random((200, 300), dtype=np.float32)
    cl.threads(4)
    expected = cl.sobel(image)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(cl.sobel(image), expected) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_core_runs_on_every_instruction_set_it_names():
    sets = _core.instruction_sets().split(",")
    assert sets[0] == "baseline"
    assert _core.instruction_set() in sets
    assert not _core.use_instruction_set("quantum")
