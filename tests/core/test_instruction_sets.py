"""Which kernels run: the best that the processor has, unless the environment says otherwise."""

import pytest

from convolens import _core
from tests.core.fresh import run
from tests.instruction_sets import EACH, HERE, each_instruction_set

WITH_MORE = {
    "avx2_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx",
}  # another set, and what test_int8.py and test_bfloat16.py test


def started_with(name):
    """What a process that finds `name` in its environment says of its instruction set."""
    return run("from convolens import _core; print(_core.instruction_set())", CONVOLENS_ISA=name)


def test_every_set_that_runs_here_is_tested():
    assert {case.values[0] for case in EACH} | WITH_MORE >= set(HERE)


@each_instruction_set
def test_the_environment_chooses_the_set(instruction_set):
    assert started_with(instruction_set).stdout.strip() == instruction_set


def test_the_best_set_is_taken_where_nothing_is_said():
    assert started_with("").stdout.strip() == HERE[-1]


def test_a_set_that_cannot_run_here_is_refused_at_import():
    done = started_with("avx1024")
    assert done.returncode != 0
    assert f"ImportError: CONVOLENS_ISA: need one of {','.join(HERE)}, got avx1024" in done.stderr


@pytest.mark.bad_input
def test_an_unknown_set_changes_nothing():
    before = _core.instruction_set()
    assert not _core.use_instruction_set("avx1024")
    assert _core.instruction_set() == before
