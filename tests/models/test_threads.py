"""Models that several threads use at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import torch

import convolens as cl
from convolens.models.inputs import evaluating


def test_a_model_in_training_mode_stays_in_evaluation_until_the_last_thread_is_done():
    model = cl.classifier(cl.trunk("resnet18", width=1 / 16), classes=2).train()
    parts, weights = list(model.modules()), list(model.parameters())
    weights[0].requires_grad_(False)
    parts[3].eval()

    def modes():
        return [part.training for part in parts], [weight.requires_grad for weight in weights]

    def stay(entered, leave):
        with evaluating(model):
            entered.set()
            assert leave.wait(60)

    before = modes()
    with ThreadPoolExecutor(2) as threads:
        stays = []
        for _ in range(2):
            entered, leave = Event(), Event()
            stays.append((threads.submit(stay, entered, leave), leave))
            assert entered.wait(60)
        for at, (done, leave) in enumerate(stays):
            leave.set()
            done.result()
            assert any(map(any, modes())) == (at == 1)
    assert modes() == before


def test_heads_made_by_several_threads_have_the_weights_of_their_seeds():
    trunk = cl.trunk("resnet18", width=1 / 16)

    def made(seed):
        models = cl.classifier(trunk, classes=300, seed=seed), cl.localizer(trunk, classes=9, hidden=64, seed=seed)
        return torch.cat([value.flatten() for model in models for value in model.head.parameters()])

    expected = [made(seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert all(map(torch.equal, threads.map(made, range(40)), expected))
