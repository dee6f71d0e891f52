"""What an actor of Ray does with a block, without Ray."""

import sys
import warnings
from types import SimpleNamespace

import pytest

from convolens.clusters.blocks import Block, Report
from convolens.clusters.ray_workers import Cluster, _Refusal, _Worker
from convolens.errors import FileError, FileNote


class Noting:
    def begin(self):
        def work(block):
            if block.number:
                raise FileError("a: is gone")
            warnings.warn(FileNote("a: is odd"), stacklevel=1)
            return Report(2, 1, value=[block.items])

        return work


def test_a_report_reaches_the_driver_whole_with_what_was_noted(monkeypatch):
    monkeypatch.setattr("convolens.settings.threads", lambda count: None)
    worker = _Worker(Noting(), 1)
    assert worker.do(Block(0, ("a",))) == Report(2, 1, ("a: is odd",), [("a",)])
    assert worker.do(Block(1, ("a",))) == _Refusal("FileError", "a: is gone")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            "The current node timed out during startup. This could",
            r"within the 30 seconds .*: run the same again later",
        ),
        ("No space\nleft", r"need a running one at 'local': No space$"),
    ],
)
def test_a_ray_that_does_not_start_is_told_in_a_sentence(monkeypatch, told, sentence):
    def init(**options):
        raise Exception(told)

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(FileError, match=sentence), Cluster("local", 1).joined(Noting()):
        pass
