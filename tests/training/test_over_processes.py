"""Whole trainings by several processes, `torchrun`'s restarts among them: minutes."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import convolens as cl
from convolens.media.images import write_image
from tests.training.test_several import SCRIPT, launched, write_squares

pytestmark = pytest.mark.slow

# Plain gradient descent for twenty steps, Adam for four: it divides a gradient by its size, so that where that is a
# rounding error, a step is as long as any other, and from there all weights drift apart.
EPOCHS, OF_WEIGHTS = {"sgd": 5, "adamw": 1}, {"sgd": 1.0, "adamw": 0.9}
NETWORKS = {
    "without norms": {"trunk": "vgg16", "size": 32, "lr": 1e-3},
    "norms of all": {"trunk": "resnet18", "size": 32, "stem": "small", "width": 0.25, "sync_norm": True, "lr": 1e-3},
}
SHARED = {"batch": 16, "ema": None, "precision": "float32", "finetune": "all", "progress": False,
          "device": "cpu"}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 150)):
        (folder / name).mkdir()
        for number in range(32):
            write_image(folder / name / f"{number}.png", random.integers(0, level, (40, 40, 3)).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """What one process ends with, by network and optimizer."""

    @cache
    def ended(name, optimizer):
        out = tmp_path_factory.mktemp("alone") / "run"
        train(data, out, name, optimizer)
        return load_file(out / "last.ckpt")

    return ended


def train(data, out, name, optimizer):
    epochs = EPOCHS[optimizer]
    run = cl.train("classify", data, out=out, validation=data, optimizer=optimizer, epochs=epochs, **SHARED,
                   **NETWORKS[name])  # fmt: skip
    assert json.loads((out / "config.json").read_text())["settings"]["epochs"] == epochs
    return run


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_twenty_steps_of_several_are_those_of_one(data, alone, tmp_path, processes, name, optimizer):
    launched(Path(__file__), processes, data, tmp_path / "run", name, optimizer, timeout=560)
    found, want = load_file(tmp_path / "run" / "last.ckpt"), alone(name, optimizer)
    assert len([one for one in want if one.startswith("model.")]) > 20
    apart = {one: ((found[one].double() - value).abs() / value.abs().max().clamp_min(1)).flatten()
             for one, value in want.items() if one.startswith("model.")}  # fmt: skip
    weights = torch.cat([value for one, value in apart.items() if "running" not in one])
    most = float(weights.kthvalue(int(OF_WEIGHTS[optimizer] * len(weights))).values)
    print(f"{processes} processes, {name}, {optimizer}: {OF_WEIGHTS[optimizer]:.0%} of the weights within {most:.1e}")
    assert most < 1e-5
    if optimizer == "sgd":
        # A single process has them by torch, whose sums over maps that are channels last are off by some 1e-5.
        assert all(float(value.max()) < 1e-3 for one, value in apart.items() if "running" in one)


TRAINING = ["detect", "--trunk", "resnet18", "--width", "0.125", "--size", "64", "--epochs", "6", "--batch", "8",
            "--lr", "0.001", "--checkpoint-seconds", "0", "--ema", "0.9", "--sync-norm", "--device", "cpu"]  # fmt: skip


def test_a_training_whose_processes_are_killed_ends_with_the_same_bits(tmp_path):
    data = write_squares(tmp_path / "data", 40)
    undisturbed, kills = by_torchrun(data, tmp_path / "undisturbed", [])
    disturbed, kills = by_torchrun(data, tmp_path / "disturbed", [1, 0])
    events = [json.loads(line) for line in (tmp_path / "disturbed" / "log.jsonl").read_text().splitlines()]
    resumed = [one for one in events if one["event"] == "resumed"]
    print(f"{kills} processes killed, resumed at {[(one['epoch'], one['step']) for one in resumed]}")
    assert kills == 2 and len(resumed) == 2
    assert disturbed.keys() == undisturbed.keys()
    assert all(torch.equal(disturbed[name], value) for name, value in undisturbed.items())


def by_torchrun(data, out, victims):
    """Trains by two processes; the rank of each victim is killed as soon as the run has come some steps further."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts",
               "3", "-m", "convolens", "train", *TRAINING, str(data), "--out", str(out)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as agent:
        kills = 0
        try:
            for victim in victims:
                kills += killed(agent.pid, str(victim), out / "last.ckpt")
            told = agent.communicate(timeout=1200)[1]
        finally:
            agent.kill()
    assert agent.returncode == 0, told
    return load_file(out / "last.ckpt"), kills


def killed(agent, rank, state):
    """Kills the process of a rank once the state was written four times more."""
    seen, writes, until = None, 0, time.monotonic() + 600
    while time.monotonic() < until:
        now = state.stat().st_mtime_ns if state.exists() else None
        writes, seen = writes + (now != seen), now
        for process in children(agent) if writes > 4 else ():
            if f"RANK={rank}" in environment_of(process):
                os.kill(process, signal.SIGKILL)
                return 1
        time.sleep(0.01)
    return 0


def children(parent):
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(one) for one in listed.read_text().split()] if listed.exists() else []


def environment_of(process):
    try:
        return Path(f"/proc/{process}/environ").read_text().split("\0")
    except OSError:
        return []


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
