"""Blocks are each done once, whoever ends meanwhile; without a cluster, whose workers are stood for by plain calls."""

import random
from itertools import chain

import pytest

from convolens.clusters import blocks
from convolens.clusters.blocks import Block, BlockFiles, Report, WorkerLost, cut, done_by
from convolens.errors import FileError, TrainingError, WeightsError


class Hands:
    """Workers that do a block when they are asked for its report, unless chance, or the block, ends them."""

    def __init__(self, work, *, seed=0, losses=0.0, deadly=()):
        self.work, self.random, self.losses, self.deadly = work, random.Random(seed), losses, set(deadly)
        self.started, self.ended, self.most, self.in_hand = 0, set(), 0, {}

    def start(self):
        self.started += 1
        return self.started

    def give(self, worker, block):
        assert worker not in self.ended
        ticket = worker, block.number, self.random.random()
        self.in_hand.setdefault(worker, []).append(ticket)
        self.most = max(self.most, len(self.in_hand[worker]))
        return ticket, block

    def first_done(self, tickets):
        """Some worker's oldest, as each does one after another."""
        firsts = {ticket[0]: (ticket, block) for ticket, block in reversed(tickets)}
        return self.random.choice(list(firsts.values()))

    def report(self, ticket):
        (worker, *_), block = ticket
        if worker in self.ended or block.number in self.deadly or self.random.random() < self.losses:
            if self.random.random() < 0.5:
                self.work(block)  # it was done, and nobody was told
            self.ended.add(worker)
            raise WorkerLost("killed")
        self.in_hand[worker].remove(ticket[0])
        return self.work(block)


def run(hands, count, todo):
    return list(done_by(hands, count, todo))


def twenty(size=3):
    return list(cut(((f"{number}.png", False) for number in range(58)), size))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("losses", [0.0, 0.3])
def test_each_block_is_reported_once_however_many_workers_end(seed, losses):
    done = []
    hands = Hands(lambda block: (done.append(block), Report(len(block.items), 0))[1], seed=seed, losses=losses)
    found = run(hands, 3, iter(twenty()))
    assert sorted(block.number for block, _ in found) == list(range(20))
    assert set(chain.from_iterable(block.items for block, _ in found)) == {f"{number}.png" for number in range(58)}
    assert hands.most <= blocks.IN_HAND
    assert len(hands.ended) <= hands.started <= 3 + len(hands.ended)
    assert bool(hands.ended) == bool(losses)


def test_few_blocks_go_to_as_many_workers_as_there_are():
    hands = Hands(lambda block: Report(1, 0))
    assert len(run(hands, 8, twenty(20))) == 3
    assert hands.started == 3 and hands.most == 1
    assert run(Hands(None), 8, []) == []


def test_blocks_are_taken_as_they_are_needed():
    taken = []
    running = done_by(Hands(lambda block: Report(1, 0)), 2, (taken.append(block) or block for block in twenty()))
    next(running)
    assert len(taken) == 2 * blocks.IN_HAND


def test_a_block_that_ends_every_worker_is_named():
    hands = Hands(lambda block: Report(1, 0), deadly=[7])
    with pytest.raises(TrainingError, match=r"21\.png: need a worker that lasts, got 10 .* 3 files .*\(killed\)"):
        run(hands, 2, twenty())
    assert len(hands.ended) >= blocks.MOST_LOSSES


def test_what_no_block_can_be_done_without_is_told_at_once():
    def refused(block):
        raise WeightsError("model: is damaged")

    with pytest.raises(WeightsError, match="model: is damaged"):
        run(Hands(refused), 2, twenty())


def test_a_shard_is_a_block_by_itself_and_names_say_what_is_in_it():
    items = [("a", False), ("b.tar", True), ("c", False), ("d", False), ("e", False)]
    found = list(cut(items, 2, "16", lambda shard: frozenset([f"{shard}/done.png"])))
    assert [(one.number, one.items, one.is_shard) for one in found] == [
        (0, ("a",), False), (1, ("b.tar",), True), (2, ("c", "d"), False), (3, ("e",), False),
    ]  # fmt: skip
    assert found[1].skip == {"b.tar/done.png"} and not found[0].skip
    names = {one.name for one in found}
    names |= {Block(0, ("a",), key="8").name, Block(1, ("b.tar",), True, key="16").name, Block(0, ("a\0b",)).name}
    assert len(names) == 7 and Block(0, ("a", "b"), key="x").name == Block(0, ("a", "b"), key="x").name


def test_lines_are_whole_or_not_there_and_come_in_order(tmp_path):
    files, todo = BlockFiles(tmp_path / "blocks"), twenty()[:3]
    files.make()
    for block in reversed(todo[:2]):
        files.write(block, [f'{{"path": "{name}"}}\n' for name in block.items[:2]] + ['{"path": "x", "error": "e"}\n'])

    def broken():
        yield "half a line"
        raise FileError("disk: is full")

    with pytest.raises(FileError, match="disk: is full"):
        files.write(todo[2], broken())
    assert not files.of(todo[2]).exists()
    assert files.counts(todo[0]) == (2, 1)
    lines = list(files.lines(block.name for block in todo[:2]))
    assert [line.split(b'"')[3] for line in lines] == [b"0.png", b"1.png", b"x", b"3.png", b"4.png", b"x"]
    with pytest.raises(FileError, match="need a folder that every machine of the cluster sees"):
        files.need(todo[2])
    files.remove()
    assert not list(tmp_path.iterdir())
