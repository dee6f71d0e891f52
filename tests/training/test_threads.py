import pytest
import torch

import convolens as cl
from convolens.training import threads
from convolens.training.loop import fit
from convolens.training.settings import Settings
from convolens.training.threads import multiplications, threads_for
from tests.training.toy import toy


@pytest.fixture
def two_threads():
    before = cl.threads(), torch.get_num_threads()
    cl.threads(2)
    yield
    cl.threads(before[0])
    torch.set_num_threads(before[1])


def test_multiplications_are_those_of_the_definition():
    # 8 filters of 3×3 over 6×6 pixels of one channel, then 2 × (8 · 36) weights.
    assert multiplications(toy()) == 8 * 9 * 36 + 2 * 8 * 36


def test_counting_leaves_the_model_as_it_was():
    task = toy()
    task.trainable.train(task.model)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    multiplications(task)
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in task.model.modules())


def test_a_picture_that_cannot_be_used_is_passed_over():
    assert multiplications(toy(bad={0, 1})) == multiplications(toy())


@pytest.mark.parametrize(("worth", "expected"), [(threads.WORTH_SHARING, 1), (1_000, 2)])
def test_small_networks_train_with_one_thread_and_large_ones_with_all(two_threads, monkeypatch, worth, expected):
    monkeypatch.setattr(threads, "WORTH_SHARING", worth)
    with threads_for(toy(), 48):
        assert (cl.threads(), torch.get_num_threads()) == (expected, expected)
    assert (cl.threads(), torch.get_num_threads()) == (2, 2)


def test_a_training_gives_the_threads_back(tmp_path, two_threads):
    seen, task = set(), toy()
    losses = task.objective.losses
    task.objective.losses = lambda network, batch: (seen.add(torch.get_num_threads()), losses(network, batch))[1]
    fit(task, Settings(epochs=1, batch=8), tmp_path, progress=False)
    assert seen == {1, 2}  # while it learns, and while its size is asked for
    assert (cl.threads(), torch.get_num_threads()) == (2, 2)
