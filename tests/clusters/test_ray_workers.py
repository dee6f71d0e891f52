"""What an actor of Ray does with a block, without Ray."""

import warnings

from convolens.clusters.blocks import Block, Report
from convolens.clusters.ray_workers import _Refusal, _Worker
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
