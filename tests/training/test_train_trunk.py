"""Training a classifier's trunk: from scratch, or from a tap on."""

import csv
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import convolens as cl
from convolens.data import read_data
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.classify import ClassificationLoss, weights_of
from convolens.media.images import write_image
from convolens.media.result_folders import LAST
from convolens.training.classify import mixed

# A few tiny pictures and steps: what is tested is that all parts meet, not how well a network learns.
QUICK = {"trunk": "resnet18", "stem": "small", "taps": "layer2.1", "progress": False, "device": "cpu",
         "batch": 8, "epochs": 3, "flip": False, "workers": 1}  # fmt: skip


def write_bars(folder, count, *, kinds=("across", "down"), seed=0):
    """Pictures of a bright bar, lying or standing."""
    random = np.random.default_rng(seed)
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 60, (12, 12, 3)).astype(np.uint8)
            at = random.integers(3, 8)
            pixels[at : at + 2] += 150 * (kind == "across")
            pixels[:, at : at + 2] += 150 * (kind == "down")
            write_image(folder / kind / f"{number:03}.png", pixels)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars")
    write_bars(folder, 24)
    return folder


@pytest.fixture(scope="module")
def run(bars, tmp_path_factory):
    return cl.train("classify", bars, weights=None, out=tmp_path_factory.mktemp("run"), lr=3e-3, **QUICK)


def test_a_network_from_scratch_learns_and_its_file_says_how_to_show_it_pictures(run, bars):
    model = run.load(device="cpu")
    assert run.metrics["top1"] >= 0.9
    assert model.preprocessing.crop == model.preprocessing.resize == 12
    found = model.predict(sorted((bars / "down").iterdir())[0])
    assert found.labels[0] == "down"
    assert model.trunk.taps[:2] == ("stem", "layer1.0")  # no pooling behind a small stem


def test_its_folder_holds_the_story(run):
    names = {path.name for path in run.folder.iterdir()}
    assert names >= {"best.safetensors", "last.ckpt", "config.json", "metrics.csv", "log.jsonl", "curves.png",
                     "confusion.png"}  # fmt: skip
    with (run.folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    settings = json.loads((run.folder / "config.json").read_text())["settings"]
    assert (settings["stem"], settings["finetune"], settings["optimizer"]) == ("small", "all", "adamw")


def test_resuming_with_more_epochs_keeps_what_was(bars, tmp_path):
    settings = {**QUICK, "weights": None, "out": tmp_path}
    cl.train("classify", bars, **{**settings, "epochs": 1})
    cl.train("classify", bars, **{**settings, "epochs": 2}, resume=True)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_a_run_is_not_resumed_with_another_trunk_or_other_classes(bars, tmp_path):
    settings = {**QUICK, "weights": None, "out": tmp_path / "run", "epochs": 1}
    cl.train("classify", bars, **settings)
    with pytest.raises(ArgumentError, match=r"resume: need the trunk of the run in .*, 'resnet18', got 'resnet34'"):
        cl.train("classify", bars, **{**settings, "trunk": "resnet34", "taps": "layer2.1"}, resume=True)
    write_bars(tmp_path / "other", 6, kinds=("across", "up"))
    with pytest.raises(ArgumentError, match=r"resume: need the classes of the run in .*'across', 'down'.*'up'"):
        cl.train("classify", tmp_path / "other", **settings, resume=True)


def test_what_is_before_the_tap_stays_as_it_is_its_statistics_too(run, bars, tmp_path):
    trunk = cl.trunk("resnet18", stem="small")
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    settings = {**QUICK, "weights": tmp_path / "trunk.safetensors", "out": tmp_path / "run", "epochs": 1}
    after = cl.train("classify", bars, finetune="layer2.0", **settings).load(device="cpu").trunk.state_dict()
    before = trunk.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"layer2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finetune": "head", "epochs": 3}, "epochs: means nothing where only the head is trained"),
        ({"finetune": "head", "mixup": 0.2}, "mixup: means nothing where only the head is trained"),
        ({"finetune": "head", "flip": True}, "flip: means nothing where only the head is trained"),
        ({"finetune": "layer4.0"}, r"finetune: need all or a tap up to layer2\.1"),
        ({"finetune": "all", "label_smoothing": 1.0}, r"label_smoothing: need a number from 0 to below 1, got 1\.0"),
        ({"finetune": "all", "mixup": 0.0}, r"mixup: need a number above 0, got 0\.0"),
        ({"finetune": "all", "class_weights": {"up": 1.0}}, "class_weights: need one of across, down, got 'up'"),
        ({"finetune": "all", "size": 0}, "size: need a whole number of at least 1, got 0"),
    ],
)
def test_options_that_mean_nothing_or_cannot_be_are_refused(bars, tmp_path, options, message):
    base = {"trunk": "resnet18", "stem": "small", "taps": "layer2.1", "weights": None, "out": tmp_path / "run"}
    with pytest.raises(ArgumentError, match=message):
        cl.train("classify", bars, **base, device="cpu", progress=False, **options)


def test_pictures_of_every_kind_are_trained_on(tmp_path):
    write_bars(tmp_path / "data", 4)
    folder, random = tmp_path / "data" / "across", np.random.default_rng(0)
    write_image(folder / "grey.png", random.integers(0, 256, (12, 12)).astype(np.uint8))
    write_image(folder / "clear.png", random.integers(0, 256, (14, 12, 4)).astype(np.uint8))
    write_image(folder / "deep.png", random.integers(0, 65536, (12, 20, 3)).astype(np.uint16))
    write_image(folder / "dot.png", np.zeros((1, 1, 3), np.uint8))
    (folder / "bad.png").write_bytes(b"no picture")
    run = cl.train("classify", tmp_path / "data", weights=None, out=tmp_path / "run", **{**QUICK, "epochs": 1})
    assert [one.path.name for one in run.skipped] == ["bad.png"]


def test_several_classes_a_picture_are_questions_of_their_own(bars, tmp_path):
    random = np.random.default_rng(0)
    lines = ["path,labels"]
    for number in range(32):
        pixels, shown = random.integers(0, 60, (12, 12, 3)).astype(np.uint8), []
        if number % 2:
            pixels[5:7] = 250
            shown.append("across")
        if number % 4 >= 2:
            pixels[:, 5:7] = 250
            shown.append("down")
        write_image(tmp_path / f"{number}.png", pixels)
        lines.append(f"{number}.png,{';'.join(shown)}")
    (tmp_path / "data.csv").write_text("\n".join(lines))
    settings = {**QUICK, "weights": None, "validation": 0.25, "lr": 3e-3, "epochs": 6}
    run = cl.train("classify", tmp_path / "data.csv", out=tmp_path / "run", **settings)
    assert run.metrics["mean_ap"] > 0.9
    model = run.load(device="cpu")
    assert model.multi_label
    both, none = model.predict([tmp_path / "3.png", tmp_path / "4.png"])
    assert min(both.scores) > max(none.scores)
    assert cl.evaluate(model, tmp_path / "data.csv", progress=False)["mean_ap"] > 0.9
    head = cl.train("classify", tmp_path / "data.csv", weights=None, out=tmp_path / "head", finetune="head",
                    validation=0.25, trunk="resnet18", taps="layer1.0", progress=False, device="cpu")  # fmt: skip
    assert head.load(device="cpu").multi_label


def test_mixing_mixes_pictures_and_labels_alike():
    pictures, targets = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2), torch.eye(4)
    found, labels = mixed(pictures, targets, 0.5, np.random.default_rng(0))
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(4))
    torch.testing.assert_close(found[:, 0, 0, 0], labels @ torch.arange(4.0))


def test_balanced_weights_make_classes_count_alike(bars):
    data = read_data(bars)
    few = data.having([*data.examples[:24], *data.examples[24:30]])
    weights = weights_of("balanced", few)
    assert (weights * torch.tensor([24.0, 6.0])).tolist() == pytest.approx([15.0, 15.0])
    with pytest.raises(ArgumentError, match="class_weights: need 'balanced' or a number for each class, got 'fair'"):
        weights_of("fair", few)


def test_smoothing_spreads_the_label_as_its_definition_says():
    scores = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.float64)
    log = scores.log_softmax(dim=1)[0]
    found = ClassificationLoss(label_smoothing=0.3).total(scores, torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    assert float(found) == pytest.approx(float(-(0.8 * log[0] + 0.1 * log[1] + 0.1 * log[2])))
    yes = scores[:, :1]
    found = ClassificationLoss(multi_label=True, label_smoothing=0.2).total(yes, torch.ones(1, 1, dtype=torch.float64))
    share = torch.sigmoid(yes).item()
    assert float(found) == pytest.approx(-(0.9 * np.log(share) + 0.1 * np.log(1 - share)))


def test_pictures_with_boxes_are_not_classified(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "data.csv").write_text("path,label,x1,y1,x2,y2\na.png,cat,1,1,5,5\n")
    with pytest.raises(DataError, match="got pictures with boxes; train localize on them"):
        cl.train("classify", tmp_path / "data.csv", weights=None, out=tmp_path / "run", **QUICK)


def test_a_run_folder_of_an_earlier_version_is_resumed(bars, tmp_path):
    settings = {**QUICK, "weights": None, "out": tmp_path}
    cl.train("classify", bars, **{**settings, "epochs": 1})
    first = (tmp_path / "metrics.csv").read_text()
    with safe_open(tmp_path / LAST, framework="pt") as stored:
        known = json.loads(stored.metadata()["convolens"])
    known["facts"]["lesson"] = known["facts"].pop("task")
    save_file(load_file(tmp_path / LAST), tmp_path / LAST, metadata={"convolens": json.dumps(known)})
    cl.train("classify", bars, **{**settings, "epochs": 2}, resume=True)
    after = (tmp_path / "metrics.csv").read_text()
    assert after.startswith(first) and len(after.splitlines()) == 3
