"""Two processes do what one does: the same steps, the same norms, the same numbers."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import convolens as cl
from convolens import distributed
from convolens.distributed import World, met
from convolens.errors import TrainingError
from convolens.media.images import write_image
from convolens.training.loop import fit
from tests.training import several, toy
from tests.training.test_detect import write_squares

SCRIPT = Path(several.__file__)


def launched(script, processes, *arguments, timeout=300):
    """Starts a script several times, as `torchrun` would, and waits for all of them."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = str(asked.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
                   "PYTHONPATH": str(SCRIPT.parents[2]), "WORLD_SIZE": str(processes)}  # fmt: skip
    ranks = [environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    command = [sys.executable, str(script), *map(str, arguments)]
    running = [subprocess.Popen(command, env=rank, stderr=subprocess.PIPE) for rank in ranks]
    try:
        told = [process.communicate(timeout=timeout)[1].decode() for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * processes, "\n".join(one[-1500:] for one in told)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures and models of every task, what two processes made of them, and what this one does."""
    folder = tmp_path_factory.mktemp("several")
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "classify" / name).mkdir(parents=True)
        for number in range(5):
            picture = random.integers(0, 255, (40 + 8 * (number % 2), 40, 3)).astype(np.uint8)
            write_image(folder / "classify" / name / f"{number}.png", picture)
    (folder / "classify" / "cat" / "2.png").write_bytes(b"no picture")
    write_squares(folder / "detect", 13)
    write_squares(folder / "localize", 7)
    one_object_each(folder / "localize" / "annotations.json")
    makers = {"classify": cl.classifier, "localize": cl.localizer, "detect": partial(cl.detector, size=64)}
    for task, make in makers.items():
        small = cl.trunk("resnet18", width=0.25, seed=1, device="cpu")
        classes = ["cat", "dog"] if task == "classify" else ["red", "green"]
        make(small, classes=classes, seed=1).save(folder / f"{task}.safetensors")
    launched(SCRIPT, 2, folder)
    return folder


def one_object_each(path):
    content = json.loads(path.read_text())
    content["annotations"] = list({one["image_id"]: one for one in content["annotations"]}.values())
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def found(folder):
    """What both processes found, and what one finds."""
    several.made(folder / "alone")
    both = [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(2)]
    return both, json.loads(json.dumps(several.measured(folder, folder / "alone"), default=str))


@pytest.mark.parametrize("task", [*several.TASKS, "head"])
def test_numbers_are_to_the_bit_those_of_one_process(found, task):
    both, alone = found
    assert alone[task]["count"] >= 7
    assert both[0][task] == both[1][task] == alone[task]


def test_every_process_names_what_all_of_them_skipped(found):
    both, alone = found
    assert both[0]["skipped"] == both[1]["skipped"] == alone["skipped"]
    assert [Path(one).name for one in alone["skipped"]] == ["2.png"]


def test_a_detector_trained_with_norms_of_all_is_that_of_one_process(folder, found):
    both, alone = found
    assert both[0]["run"] == both[1]["run"]
    for name in ("ap", "ap50"):
        assert both[0]["run"][name] == pytest.approx(alone["run"][name], abs=1e-3)
    first, second = (load_file(folder / name / "run" / "last.ckpt") for name in ("several", "alone"))
    for name, value in second.items():
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), [("fixed", {"norm": False}), ("live", {"dropout": False})])
def test_two_processes_take_twenty_steps_of_one(folder, tmp_path, name, options):
    fit(toy.toy(40, **options), toy.settings(**several.TWENTY_STEPS), tmp_path, progress=False)
    alone, together = load_file(tmp_path / "last.ckpt"), load_file(folder / name / "last.ckpt")
    assert sum(one.startswith("model.") for one in alone) == (4 if name == "fixed" else 9)
    for one, value in alone.items():
        torch.testing.assert_close(together[one], value, rtol=0, atol=1e-5)
    rows = [(one / "metrics.csv").read_text().splitlines()[-1].split(",") for one in (tmp_path, folder / name)]
    assert float(rows[0][2]) == pytest.approx(float(rows[1][2]), rel=1e-5)  # the loss is of all pictures


def test_a_norm_of_several_processes_is_that_of_the_whole_batch(folder):
    whole = several.passed(*several.norm_and_input(torch.float64))
    for rank in range(2):
        found = torch.load(folder / f"norm-{rank}.pt")
        assert found.keys() == whole.keys()
        for name, value in whole.items():
            torch.testing.assert_close(found[name], value, rtol=1e-11, atol=1e-11)


def test_gradients_are_exchanged_once_a_step_however_many_parts_it_has(folder):
    found = json.loads((folder / "found-0.json").read_text())
    assert found["exchanges"] == [1, 1]


def test_every_item_is_one_process_s_and_batches_stay_whole():
    for count, batch, size in ((0, 4, 2), (1, 4, 3), (10, 4, 3), (97, 8, 4)):
        parts = [World(rank, size).part(count, batch) for rank in range(size)]
        assert [one for part in parts for one in range(count)[part]] == list(range(count))
        assert all(part.start % batch == 0 for part in parts)


def test_processes_that_were_started_anew_meet_one_another_and_not_the_dead():
    store, words = torch.distributed.HashStore(), []
    for attempt in range(3):
        store.set("convolens/hello/2", f"a dead one's {attempt}")  # who said it, and was killed before it was answered
        with ThreadPoolExecutor(3) as pool:
            late = pool.submit(met, store, 0, 3) if attempt else None
            others = [pool.submit(met, store, rank, 3) for rank in (1, 2)]
            found = {one.result(20) for one in (late or pool.submit(met, store, 0, 3), *others)}
        assert len(found) == 1
        words += found
    assert len(set(words)) == 3


def test_a_call_that_one_process_alone_makes_says_what_it_waits_for(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed, "LATE", 0.05)
    monkeypatch.setattr(distributed, "PATIENCE", timedelta(seconds=0.5))
    monkeypatch.setattr(distributed, "_agents_store", torch.distributed.HashStore)
    with (
        pytest.warns(
            UserWarning, match="torchrun: process 0 waits for the others of 2; each of them must make the call"
        ),
        pytest.raises(TrainingError, match="1 of 2 did not come"),
        distributed.joined(torch.device("cpu")),
    ):
        pass


def test_processes_that_do_not_come_are_missed(monkeypatch):
    monkeypatch.setattr(distributed, "PATIENCE", timedelta(seconds=0.05))
    for rank, who in ((0, "2 of 3"), (1, "the first")):
        with pytest.raises(TrainingError, match=f"torchrun: need all its processes, {who} did not come"):
            met(torch.distributed.HashStore(), rank, 3)
