"""Calls of every kind by eight threads at once, a few; `python -m tests.threads` does the same for long."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import convolens as cl
from tests.threads.calls import BY_TORCH, CALLS, COUNTS, Shared, settings
from tests.threads.run import Stress, digest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _same_threads_after():
    before = cl.threads()
    yield
    cl.threads(before)


def stress(*options):
    command = [sys.executable, "-m", "tests.threads", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_eight_threads_get_the_bits_of_one():
    done = stress("--calls", "60", "--rounds", "1", "--cases", "56")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "480 calls by 8 threads, 0 wrong" in done.stdout


@pytest.mark.parametrize("call", [call for call in CALLS if call not in (*BY_TORCH, settings)])
def test_what_the_core_computes_depends_on_no_number_of_threads(call, tmp_path):
    for number in range(8):
        found = set()
        for count in COUNTS:
            cl.threads(count)
            found.add(digest(call(number, Shared(tmp_path, {}))))
        assert len(found) == 1, number


def test_other_bits_errors_and_growth_are_found(monkeypatch, tmp_path):
    given, begun, kept = Shared(tmp_path, {}), [], []

    def spoiled(number, _):
        if begun and number == 1:
            raise KeyError("a")
        kept.extend([bytearray(6 << 20)] if begun else [])
        return 5 if begun and number == 2 else number

    monkeypatch.setattr("tests.threads.run.CALLS", (spoiled,))
    found = Stress(given, 3, 2)
    begun.append(True)
    for number in range(4):
        found.round(number, 3)
    assert {re.sub(r".*: ", "", told) for told in found.wrong} == {"other bits", "KeyError('a')"}
    assert found.growth() > 24 << 20


@pytest.mark.slow
def test_twenty_thousand_calls_by_each_of_eight_threads():
    done = stress()
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
