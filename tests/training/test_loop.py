import importlib.util
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from convolens.errors import ArgumentError, FileError, MissingExtraError, TrainingError, WeightsError
from convolens.media.images import read_image
from convolens.media.result_folders import LAST
from convolens.training.checkpoint import read_checkpoint
from convolens.training.loader import parts_of_epoch
from convolens.training.loop import fit
from convolens.training.optimizers import moving_parameters
from convolens.training.pace import Pace
from convolens.training.schedules import SCHEDULES, lr_fraction
from convolens.training.settings import Settings
from convolens.training.speed import multiplies_bfloat16
from convolens.training.tuning import find_batch, find_lr

TOY = Path(__file__).with_name("toy.py")
_spec = importlib.util.spec_from_file_location("toy", TOY)
toy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(toy)


def trained(folder, task=None, **changes):
    folder.mkdir(exist_ok=True)
    resume = changes.pop("resume", False)
    task = task or toy.toy()
    outcome = fit(task, toy.settings(**changes), folder, resume=resume, progress=False)
    return outcome, task


def weights(folder):
    """What a run ends with: the model, its average and the optimizer's memory."""
    return load_file(folder / LAST)


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def stopped_after(steps, folder, **changes):
    """A run that is interrupted by a signal after so many steps."""
    task, seen = toy.toy(), []
    losses = task.objective.losses

    def counting(network, batch):
        seen.append(1)
        if len(seen) == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return losses(network, batch)

    task.objective.losses = counting
    with pytest.raises(KeyboardInterrupt, match=r"holds the state after step \d of epoch \d; .* --resume resumes it"):
        trained(folder, task, **changes)
    return len(seen)


BEFORE = {"lr": "rate", "weight_decay": "decay", "ema": "average", "clip_grad": "clip", "loss": "cost"}
BEFORE |= {"loss_class": "cost_class"}


def earlier(values):
    return {BEFORE.get(name, name): value for name, value in values.items()}


def as_earlier_versions_wrote(path):
    """Writes a state anew under the names that the first versions had for things."""
    with safe_open(path, framework="pt") as stored:
        known = json.loads(stored.metadata()["convolens"])
    before = {name.replace("ema.", "average."): value for name, value in load_file(path).items()}
    known["average_steps"] = known.pop("ema_steps")
    known["place"] = earlier(known["place"]) | {"rows": [earlier(row) for row in known["place"]["rows"]]}
    known["facts"]["lesson"] = known["facts"].pop("task")
    known["facts"] |= {part: earlier(known["facts"][part]) for part in ("settings", "found")}
    save_file(before, path, metadata={"convolens": json.dumps(known)})


def test_it_learns(tmp_path):
    outcome, _ = trained(tmp_path)
    assert outcome.best >= 0.95
    assert outcome.rows[-1]["loss"] < 0.5 * outcome.rows[0]["loss"]
    assert outcome.ended_by == "epochs"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("steps", [1, 6, 9])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(tmp_path, optimizer, steps):
    trained(tmp_path / "whole", optimizer=optimizer)
    ended_at = stopped_after(steps, tmp_path / "parts", optimizer=optimizer)
    assert ended_at == steps  # the signal was heeded after the step in hand
    outcome, _ = trained(tmp_path / "parts", optimizer=optimizer, resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert len(outcome.rows) == 3
    assert (tmp_path / "whole" / "metrics.csv").read_text() == (tmp_path / "parts" / "metrics.csv").read_text()
    best = [load_file(tmp_path / name / "best.safetensors") for name in ("whole", "parts")]
    assert same(*best)


def test_a_finished_run_can_be_given_more_epochs(tmp_path):
    trained(tmp_path / "a", schedule="constant", epochs=2)
    outcome, _ = trained(tmp_path / "a", schedule="constant", epochs=4, resume=True)
    assert [row["epoch"] for row in outcome.rows] == [1, 2, 3, 4]


def test_another_seed_is_another_run_and_the_same_seed_the_same(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trained(tmp_path / name, seed=seed)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_the_number_of_reading_threads_changes_nothing(tmp_path):
    for workers in (1, 5):
        trained(tmp_path / str(workers), workers=workers)
    assert same(weights(tmp_path / "1"), weights(tmp_path / "5"))


def test_the_callers_random_numbers_go_on_as_if_nothing_had_been(tmp_path):
    task = toy.toy()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    trained(tmp_path, task)
    assert torch.equal(torch.rand(4), expected)


def test_accumulated_parts_take_the_step_of_the_whole_batch(tmp_path):
    results = []
    for parts in (1, 3):
        exact = {"optimizer": "sgd", "epochs": 1, "precision": "float32"}
        _, task = trained(tmp_path / str(parts), toy.toy(norm=False), accumulate=parts, **exact)
        results.append(task.model.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "able", "expected"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_networks_run_in_bfloat16_where_that_is_fast_or_requested(tmp_path, monkeypatch, precision, able, expected):
    monkeypatch.setattr("convolens.training.loop.multiplies_bfloat16", lambda device: able)
    task, seen = toy.toy(), set()
    losses = task.objective.losses

    def noting(network, batch):
        return losses(lambda picture: (seen.add(str((found := network(picture)).dtype)), found)[1], batch)

    task.objective.losses = noting
    trained(tmp_path, task, precision=precision, epochs=1)
    assert seen == {f"torch.{expected}"}
    assert all(value.dtype == torch.float32 for name, value in task.model.named_parameters())


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, True), ("AVX512_CORE_BF16", True), ("AVX2", False), ("AVX512_CORE", False)]
)
def test_bfloat16_is_not_fast_where_torch_may_not_use_its_instructions(monkeypatch, allowed, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if allowed:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    assert multiplies_bfloat16(torch.device("cpu")) == expected


def test_pictures_that_cannot_be_used_are_passed_over(tmp_path):
    outcome, _ = trained(tmp_path, toy.toy(bad=range(8)))
    assert outcome.best >= 0.9


def test_a_loss_that_is_no_number_stops_the_run_names_the_batch_and_keeps_the_last_good_state(tmp_path):
    bad = parts_of_epoch(48, 8, 0, 0)[3][1]  # the second picture of the fourth batch
    with pytest.raises(
        TrainingError, match=rf"got nan in epoch 1, batch 4 \(blob \d+, blob {bad}, .*; the last good state"
    ):
        trained(tmp_path, toy.toy(poison=[bad]))
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["event"] == "stopped"
    with pytest.raises(TrainingError):  # the same batch again
        trained(tmp_path, toy.toy(poison=[bad]), resume=True)
    outcome, _ = trained(tmp_path, toy.toy(bad=[bad]), resume=True)
    assert outcome.best >= 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 4}, r"resume: need the batch of the run in .*, 8, got 4; start another run in another folder"),
        ({"optimizer": "sgd"}, "resume: need the optimizer of the run in .*, 'adamw', got 'sgd'"),
        ({"seed": 5}, "resume: need the seed"),
    ],
)
def test_a_run_is_not_resumed_as_another(tmp_path, change, message):
    trained(tmp_path, epochs=1)
    with pytest.raises(ArgumentError, match=message):
        trained(tmp_path, resume=True, **change)


def test_nor_with_another_trunk(tmp_path):
    trained(tmp_path, epochs=1)
    other = replace(toy.toy(), facts={"trunk": "resnet18", "class_names": ["left", "right"]})
    with pytest.raises(ArgumentError, match=r"resume: need the trunk of the run in .*, 'toy', got 'resnet18'"):
        trained(tmp_path, other, resume=True)


def test_a_damaged_state_is_refused_in_a_sentence(tmp_path):
    trained(tmp_path, epochs=1)
    whole = (tmp_path / LAST).read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], b"\x00" * 1000):
        (tmp_path / LAST).write_bytes(damaged)
        with pytest.raises(WeightsError, match="need the state of a training to resume from, got a damaged file"):
            trained(tmp_path, resume=True)


def test_a_state_whose_facts_are_nested_too_deep_is_refused_in_a_sentence(tmp_path):
    trained(tmp_path, epochs=1)
    with safe_open(tmp_path / LAST, framework="pt") as stored:
        names = list(stored.metadata())
    save_file(load_file(tmp_path / LAST), tmp_path / LAST, dict.fromkeys(names, "[" * 100_000))
    with pytest.raises(WeightsError, match="need the state of a training to resume from, got a damaged file"):
        trained(tmp_path, resume=True)


def test_resuming_where_nothing_is_yet_starts(tmp_path):
    trained(tmp_path / "a")
    trained(tmp_path / "b", resume=True)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_it_ends_when_nothing_gets_better(tmp_path):
    outcome, _ = trained(tmp_path, epochs=50, patience=2)
    assert outcome.ended_by == "patience"
    assert len(outcome.rows) == outcome.best_epoch + 2


@pytest.mark.parametrize(("losses", "best"), [((0.5, 0.2, 0.3, 0.1), 4), ((0.1, 0.2, 0.3, 0.4), 1)])
def test_of_epochs_that_are_all_right_the_surest_is_kept(tmp_path, losses, best):
    waiting = iter(losses)
    task = replace(toy.toy(), measure=lambda model: {"accuracy": 1.0, "validation_loss": next(waiting)})
    outcome, _ = trained(tmp_path, task, epochs=4)
    assert (outcome.best, outcome.best_epoch) == (1.0, best)


def test_what_is_better_by_the_metric_is_kept_whatever_its_loss(tmp_path):
    waiting = iter([(0.5, 0.1), (0.9, 0.8), (0.7, 0.05)])
    task = replace(
        toy.toy(), measure=lambda model: dict(zip(("accuracy", "validation_loss"), next(waiting), strict=True))
    )
    outcome, _ = trained(tmp_path, task, epochs=3)
    assert (outcome.best, outcome.best_epoch) == (0.9, 2)


def test_it_ends_in_time_with_the_rate_brought_down(tmp_path):
    start = time.monotonic()
    outcome, _ = trained(tmp_path, minutes=0.05, checkpoint_seconds=30.0)
    assert time.monotonic() - start < 9  # 3 seconds, and a loaded machine
    assert outcome.ended_by == "minutes" if len(outcome.rows) < 3 else "epochs"
    outcome, _ = trained(tmp_path / "free", minutes=0.05, epochs=None, checkpoint_seconds=30.0)
    assert outcome.ended_by == "minutes"
    assert outcome.rows[-1]["lr"] < 0.2 * max(row["lr"] for row in outcome.rows)


def test_a_full_disk_while_a_state_is_written_loses_nothing(tmp_path, monkeypatch):
    import convolens.trunks.weights.tensor_file as tensor_file

    trained(tmp_path / "whole")
    written = []

    def full(tensors, path, metadata):
        written.append(path)
        if len(written) == 7:
            Path(path).write_bytes(b"a part")
            raise OSError(28, "No space left on device")
        return save(tensors, path, metadata)

    save = tensor_file.save_file
    monkeypatch.setattr(tensor_file, "save_file", full)
    with pytest.raises(FileError, match=r"last\.ckpt: cannot be written: No space left on device"):
        trained(tmp_path / "full")
    assert not list((tmp_path / "full").glob(".*"))
    trained(tmp_path / "full", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "full"))


def start(folder, epochs):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(TOY), str(folder), str(epochs)], env=environment, stderr=subprocess.DEVNULL
    )


def killed_at_random_moments(folder, times, epochs):
    """Runs it to its end through so many kill -9, each after a random while of work."""
    folder.mkdir()
    moments, killed = random.Random(times), 0
    while killed < times:
        process = start(folder, epochs)
        before = (folder / "log.jsonl").stat().st_size if (folder / "log.jsonl").exists() else 0
        while process.poll() is None and (
            not (folder / "log.jsonl").exists() or (folder / "log.jsonl").stat().st_size == before
        ):
            time.sleep(0.002)  # until it has read the state and goes on
        time.sleep(moments.uniform(0, 0.12))
        if process.poll() is None:
            process.kill()
            killed += 1
        elif killed < times:
            assert process.returncode == 0
            break
        process.wait()
    assert start(folder, epochs).wait() == 0
    return killed


@pytest.mark.parametrize(("times", "epochs"), [(2, 4), pytest.param(25, 30, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path, times, epochs):
    trained(tmp_path / "whole", epochs=epochs)
    killed = killed_at_random_moments(tmp_path / "killed", times, epochs)
    resumed = (tmp_path / "killed" / "log.jsonl").read_text().count('"resumed"')
    print(f"killed {killed} times, {resumed} of them with a state to go on from")
    assert killed == times
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    best = [load_file(tmp_path / name / "best.safetensors") for name in ("whole", "killed")]
    assert same(*best)


def two_processes(folder, request):
    """Runs `toy.py` twice, as `torchrun` would, and gives what each wrote to its error stream."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    ranks = [environment | {"WORLD_SIZE": "2", "RANK": str(rank)} for rank in range(2)]
    command = [sys.executable, str(TOY), str(folder), request]
    processes = [subprocess.Popen(command, env=rank, stderr=subprocess.PIPE) for rank in ranks]
    try:
        told = [process.communicate(timeout=120)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], told[0][-1000:] + told[1][-1000:]
    return told


@pytest.mark.slow
def test_no_process_of_two_has_a_batch_of_one_picture(tmp_path):
    def sizes(name, **request):
        two_processes(tmp_path / name, json.dumps({"bad": [], **request}))
        return [json.loads((tmp_path / name / f"sizes-{rank}.json").read_text()) for rank in range(2)]

    for found in sizes("odd", count=9, batch=4):  # five and four pictures a step, in two parts
        assert set(found) <= {2, 3} and len(found) == 4
    for found in sizes("few", count=9, batch=2):
        assert re.match("batch: need 4 or more where batch norms are trained", found)
    bad = parts_of_epoch(9, 4, 0, 0, least=4)[0][-1:]  # of the second process's two pictures one cannot be used
    first, second = sizes("bad", count=9, batch=4, bad=bad)
    assert len(first) == len(second) < 4 and min(first + second) > 1  # a step that one drops, both drop
    events = [json.loads(line) for line in (tmp_path / "bad" / "log.jsonl").read_text().splitlines()]
    dropped = [one for one in events if one["event"] == "batch dropped"]
    assert len(dropped) == 4 - len(first) and {one["usable"] for one in dropped} == {1}


def test_two_processes_take_the_steps_of_one(tmp_path):
    trained(tmp_path / "1", toy.toy(40, norm=False), **toy.FIVE_STEPS)
    for complaint in two_processes(tmp_path / "2", "several"):
        assert "gloo" not in complaint  # the threads left, by `toy.py`; one alive at the end may abort it
    alone, together = weights(tmp_path / "1"), weights(tmp_path / "2")
    models = [name for name in alone if name.startswith("model.")]
    assert models
    for name in models:
        torch.testing.assert_close(together[name], alone[name], rtol=0, atol=1e-5)
    start = torch.nn.utils.parameters_to_vector(toy.toy(40, norm=False).model.parameters())
    moved = torch.cat([alone[name].flatten() for name in models]) - start
    assert moved.abs().max() > 1e-3  # it did learn something in those five steps


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def test_batches_hold_every_picture_once_and_none_is_much_smaller_than_another():
    parts = parts_of_epoch(65, 32, 0, 0)
    assert sorted(number for part in parts for number in part) == list(range(65))
    assert {len(part) for part in parts} == {21, 22}
    assert parts != parts_of_epoch(65, 32, 0, 1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_rise_over_the_warmup_and_never_after(name):
    shares = [lr_fraction(name, 0.2, done) for done in np.linspace(0, 1, 101)]
    assert shares[0] == 0 and max(shares) == shares[20] == 1
    assert all(a <= b for a, b in pairwise(shares[:21]))
    assert all(a >= b for a, b in pairwise(shares[20:]))
    assert 0 < shares[-1] <= 1


def test_layers_nearer_the_picture_move_less_and_vectors_have_no_decay(tmp_path):
    from convolens.training.optimizers import optimizer_for, set_lr

    task = toy.toy()
    made = optimizer_for(task.model, task.trainable.layers, name="sgd", momentum=0.9, weight_decay=0.1, layer_decay=0.5)
    set_lr(made, 2.0)
    found = {id(value): group for group in made.param_groups for value in group["params"]}
    model = task.model
    assert [found[id(layer.weight)]["lr"] for layer in (model[0], model[1], model[5])] == [0.5, 1.0, 2.0]
    assert [found[id(layer.weight)]["weight_decay"] for layer in (model[0], model[1], model[5])] == [0.1, 0.0, 0.1]
    assert found[id(model[0].bias)]["weight_decay"] == 0.0


def test_layers_that_move_alike_are_one_group_and_states_number_parameters_layer_by_layer():
    task = toy.toy()
    model = task.model
    made = toy.settings().make_optimizer(model, task.trainable.layers)
    assert [len(group["params"]) for group in made.param_groups] == [2, 4]  # weights, and what has no decay
    order = [value for layer in moving_parameters(model, task.trainable.layers) for value in layer]
    convolution, norm, dense = model[0], model[1], model[5]
    expected = [convolution.weight, convolution.bias, norm.weight, norm.bias, dense.weight, dense.bias]
    assert list(map(id, order)) == list(map(id, expected))


def test_a_run_that_an_earlier_version_was_stopped_in_ends_with_the_same_bits(tmp_path):
    trained(tmp_path / "whole")
    stopped_after(9, tmp_path / "parts")
    as_earlier_versions_wrote(tmp_path / "parts" / LAST)
    trained(tmp_path / "parts", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert (tmp_path / "whole" / "metrics.csv").read_text() == (tmp_path / "parts" / "metrics.csv").read_text()


def test_what_an_earlier_version_said_of_a_task_is_read_in_todays_words(tmp_path):
    task = {"learn": "all", "smoothing": 0.1, "cost": [1.0, 1.0, 1.0, "giou"]}
    task |= {"augmentation": [[0.6, 1.4], 1.25, True, 0.2]}
    known = {"place": {"epoch": 1, "rate": 0.5, "rows": []}, "average_steps": 3}
    known |= {"facts": {"settings": {"rate": "find"}, "found": {"rate": 0.5}, "lesson": task}}
    save_file({}, tmp_path / LAST, metadata={"convolens": json.dumps(known)})
    found = read_checkpoint(tmp_path / LAST)
    assert (found.progress.lr, found.ema_steps) == (0.5, 3)
    assert (found.facts["settings"], found.facts["found"]) == ({"lr": "find"}, {"lr": 0.5})
    assert found.facts["task"] == {
        "finetune": "all",
        "label_smoothing": 0.1,
        "loss": [1.0, 1.0, 1.0, "giou"],
        "augmentation": [[0.6, 1.4], [0.8, 1.25], True, 0.2],
    }


def test_the_moving_average_is_the_mean_that_its_decay_defines():
    from convolens.training.ema import ExponentialMovingAverage

    model = torch.nn.Linear(1, 1, bias=False)
    values = [3.0, -1.0, 2.0, 5.0]
    with torch.no_grad():
        model.weight.fill_(values[0])
        average, expected = ExponentialMovingAverage(model, 0.25), values[0]
        for steps, value in enumerate(values[1:], 1):
            model.weight.fill_(value)
            average.follow(model)
            decay = min(0.25, (1 + steps) / (10 + steps))
            expected = decay * expected + (1 - decay) * value
    assert float(average.model.weight) == pytest.approx(expected, rel=1e-6)


def test_a_rate_and_a_batch_are_found_and_leave_the_model_as_it_was():
    task = toy.toy()
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    found = find_lr(task, toy.settings())
    assert 1e-4 < found.lr < 0.5
    assert min(found.losses) < 0.5 * found.losses[0]
    assert find_batch(toy.toy(count=4000)) == 64
    assert find_batch(toy.toy(count=40)) == 4
    assert same(before, task.model.state_dict())


def test_what_is_dropped_while_a_learning_rate_is_found_is_a_function_of_the_seed():
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        task = toy.toy()
        torch.manual_seed(seed)
        found.append(find_lr(task, toy.settings()))
    assert any(isinstance(layer, torch.nn.Dropout) for layer in task.model.modules())
    assert found[0] == found[1]


def test_how_a_rate_was_found_is_drawn_and_noted(tmp_path):
    outcome, _ = trained(tmp_path, lr="find")
    assert read_image(tmp_path / "lr.png").ndim == 3
    [note] = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines() if "lr found" in line]
    assert note["lr"] == outcome.settings.lr


def test_tensorboard_gets_the_metrics_of_each_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    stopped_after(8, tmp_path, tensorboard=True)
    trained(tmp_path, resume=True, tensorboard=True)
    outcome, _ = trained(tmp_path, resume=True, epochs=6, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    told = {event.step: event.value for event in events.Scalars("loss")}
    assert told == {row["epoch"]: pytest.approx(row["loss"]) for row in outcome.rows}


@pytest.mark.bad_input
def test_tensorboard_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"needs the package tensorboard, .* 'convolens\[tensorboard\]'"):
        trained(tmp_path, tensorboard=True)


def test_a_batch_fits_the_memory_there_is(monkeypatch):
    import convolens.training.tuning as tuning

    task = toy.toy(count=4000)
    need = tuning._bytes_a_picture(task)
    assert 36 * 8 * 4 <= need <= 20 * 36 * 8 * 4  # maps of 8 features of 6×6 floats
    monkeypatch.setattr(tuning, "_free_bytes", lambda device: 2 * 9 * need)
    assert find_batch(task) == 8


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: need a whole number of at least 1, got 0"),
        ({"batch": 2.5}, "batch: need a whole number of at least 1, or 'auto', got 2.5"),
        ({"lr": 0}, "lr: need a number above 0, or 'find', got 0"),
        ({"lr": float("inf")}, "lr: need a number above 0, or 'find', got inf"),
        ({"minutes": -1}, "minutes: need a number above 0, got -1"),
        ({"momentum": 1.0}, "momentum: need a number at least 0 and below 1, got 1.0"),
        ({"ema": 1.0}, "ema: need a number above 0 and below 1, got 1.0"),
        ({"layer_decay": 1.5}, "layer_decay: need a number above 0 and at most 1, got 1.5"),
        ({"optimizer": "adam"}, "optimizer: need one of adamw, sgd, got 'adam'"),
        ({"schedule": "linear"}, "schedule: need one of cosine, step, constant, got 'linear'"),
        ({"precision": "half"}, "precision: need one of auto, float32, bfloat16, got 'half'"),
        ({"batch": 4, "accumulate": 8}, "accumulate: need at most the batch's 4, got 8"),
        ({"patience": 0}, "patience: need a whole number of at least 1, got 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(ArgumentError, match=message):
        Settings(**change)


def test_the_pace_of_an_epoch_leaves_out_its_first_step_and_counts_the_measuring(monkeypatch):
    now = iter([0.0, 9.0, 10.0, 11.0])
    monkeypatch.setattr("convolens.training.pace.time.monotonic", lambda: next(now))
    pace = Pace()
    pace.step(8)
    assert pace.seconds == 9 / 8
    pace.step(8)
    pace.step(8)
    assert pace.seconds == 1 / 8
    assert pace.epochs_in(100.0, 800, 120) == pytest.approx(100 / (800 / 8 + 120 / 8 * 2 / 3))


@pytest.mark.parametrize(("options", "said"), [({"minutes": 60, "patience": 1}, 1), ({"minutes": 60, "epochs": 2}, 0)])
def test_early_in_a_run_of_some_minutes_it_says_what_will_fit_if_that_is_less_than_wanted(
    tmp_path, capsys, options, said
):
    wanted = toy.settings(**{"epochs": None, "checkpoint_seconds": 30.0, **options})
    fit(toy.toy(), wanted, tmp_path, progress=True)
    [note] = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines() if "forecast" in line]
    assert note["epochs"] > 100
    assert (
        capsys.readouterr().err.count(f"about {note['epochs']:.0f} epochs of 48 pictures fit into 60 minutes") == said
    )


def test_minutes_hold_what_was_done_before_and_the_measuring_after(tmp_path):
    task, began = toy.toy(), time.monotonic() - 3.0  # seconds of reading data
    # What measuring takes is a good part of the time that there is.
    slow = replace(task, measure=lambda model: (time.sleep(0.5), task.measure(model))[1])
    settings = toy.settings(minutes=5 / 60, epochs=None, checkpoint_seconds=30.0)
    outcome = fit(slow, settings, tmp_path, progress=False, started=began)
    assert outcome.ended_by == "minutes"
    assert time.monotonic() - began < 6.5  # 5, and a loaded machine; 8 with what was before left out
