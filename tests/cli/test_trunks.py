import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import convolens as cl
from convolens import cli
from convolens.media.images import read_image, write_image
from convolens.trunks.weights.table import WEIGHTS

ANOTHER = "give another name for the output"


@pytest.fixture
def photo(tmp_path):
    image = np.random.default_rng(0).integers(0, 60, (96, 128, 3)).astype(np.uint8)
    image[20:60, 30:90] = (250, 120, 40)
    write_image(tmp_path / "photo.png", image)
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A state dict under torchvision's names, with four classes."""
    network = cl.trunk("resnet18", seed=1)
    path = tmp_path_factory.mktemp("weights") / "four.pth"
    torch.save({**network.state_dict(), "fc.weight": torch.eye(4, 512), "fc.bias": torch.zeros(4)}, path)
    return path


@pytest.mark.weights
def test_trace_draws_the_box_and_prints_what_it_sees(photo, tmp_path, capsys):
    out = tmp_path / "traced.png"
    assert cli.run(["trace", str(photo), str(out), "--tap", "conv3_3", "--at", "5", "7", "--strongest", "2"]) == 0
    first, *strongest = capsys.readouterr().out.splitlines()
    assert first == f"conv3_3 5,7 sees {cl.trunk('vgg16').trace('conv3_3', 5, 7, clip=(96, 128))}"
    assert len(strongest) == 2
    assert all(line.startswith("channel ") for line in strongest)
    before, drawn = read_image(photo), read_image(out)
    assert drawn.shape == (4 * 96, 4 * 128, 3)  # large enough for its labels
    x1, y1, *_ = cl.trunk("vgg16").trace("conv3_3", 5, 7, clip=(96, 128))
    assert (drawn[4 * (y1 + 30), 4 * x1] != before[y1 + 30, x1]).any()


@pytest.mark.weights
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tap", "conv9_1"], "error: --tap: need one of conv1_1, "),
        (
            ["--tap", "pool3", "--at", "12", "0"],
            "error: trace: need a feature of the 12×16 map of pool3 on 96×128 pixels",
        ),
        (["--tap", "pool3", "--trunk", "vgg61"], "error: --trunk: need one of vgg11, "),
        (["--tap", "pool3", "--weights", "nobodys"], "error: --weights of vgg16: need imagenet, ssd, hed, "),
    ],
)
def test_what_cannot_be_traced_is_one_line_and_exit_code_2(photo, tmp_path, capsys, options, message):
    assert cli.run(["trace", str(photo), str(tmp_path / "out.png"), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_scan_draws_where_a_class_is(photo, tmp_path, capsys):
    model = cl.classifier("vgg11", classes=["dark", "orange"], taps="conv1_1", seed=0)
    maps = model.trunk(model.preprocess(read_image(photo)), taps="conv1_1")["conv1_1"][0]
    difference = maps[:, 30:50, 40:80].mean((1, 2)) - maps[:, 70:, :].mean((1, 2))
    with torch.no_grad():
        model.head.linear.weight.copy_(torch.stack([-difference, difference]) * 9)
        model.head.linear.bias.zero_()
        middle = (maps[:, 30:50, 40:80].mean((1, 2)) + maps[:, 70:, :].mean((1, 2))) / 2
        model.head.linear.bias.copy_(-model.head.linear.weight @ middle)
    model.save(tmp_path / "model.safetensors")
    command = ["scan", str(tmp_path / "model.safetensors"), str(photo), str(tmp_path / "map.png"), "--window", "16"]
    assert cli.run([*command, "--class", "orange"]) == 0
    assert capsys.readouterr().out.startswith("81 × 113 windows, ")
    changed = np.abs(read_image(tmp_path / "map.png").astype(int) - read_image(photo)).mean(2)
    assert changed[30:50, 40:80].mean() > 5 * changed[75:, :].mean()
    assert cli.run([*command, "--class", "blue"]) == 2
    assert capsys.readouterr().err == "error: --class: need one of dark, orange, got 'blue'\n"
    assert cli.run([*command, "--class", "dark", "--stride", "3"]) == 2
    assert "--stride: need a divisor of the network's own 1, got 3" in capsys.readouterr().err


def test_weights_are_listed_with_what_matters(capsys):
    assert cli.run(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(WEIGHTS)
    assert "resnet50/imagenet-v2          80.86  95.43" in out


def test_weights_get_prints_the_path_or_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CONVOLENS_WEIGHTS", str(tmp_path))
    assert cli.run(["weights", "get", "resnet18/imagenet"]) == 2
    assert "resnet18-f37072fd.pth: need this file, found nothing; download https://" in capsys.readouterr().err
    assert cli.run(["weights", "get", "resnet18"]) == 2
    assert "weights: need one of vgg11/imagenet, " in capsys.readouterr().err


def test_weights_info_says_whose_they_look_like(checkpoint, capsys):
    assert cli.run(["weights", "info", str(checkpoint)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["network", "resnet18"]
    assert "classifier      4 classes" in out
    assert "preprocessing   not stated" in out


def test_imported_weights_with_a_classifier_predict(checkpoint, photo, tmp_path, capsys):
    target = tmp_path / "mine.safetensors"
    assert cli.run(["weights", "import", str(checkpoint), str(target), "--trunk", "resnet18"]) == 0
    assert capsys.readouterr().out == f"{target}: resnet18 with a classifier of 4 classes\n"
    expected = cl.classifier("resnet18", weights=checkpoint, head="original").predict(photo)
    assert cl.load(target).predict(photo) == expected


def test_an_imported_trunk_serves_as_weights(checkpoint, tmp_path, capsys):
    state = {key: value for key, value in torch.load(checkpoint).items() if not key.startswith("fc")}
    torch.save(state, tmp_path / "trunk.pth")
    target = tmp_path / "mine.safetensors"
    assert cli.run(["weights", "import", str(tmp_path / "trunk.pth"), str(target), "--trunk", "resnet18"]) == 0
    assert capsys.readouterr().out == f"{target}: resnet18 without a classifier\n"
    assert torch.equal(cl.trunk("resnet18", weights=target).conv1.weight, state["conv1.weight"])
    assert cli.run(["weights", "import", str(tmp_path / "trunk.pth"), str(target), "--trunk", "resnet34"]) == 2
    assert "it looks like resnet18's" in capsys.readouterr().err


@pytest.mark.weights
def test_a_picture_is_not_overwritten_by_what_is_drawn_on_it(photo, capsys):
    before = photo.read_bytes()
    assert cli.run(["trace", str(photo), str(photo), "--tap", "conv1_1"]) == 2
    assert capsys.readouterr().err == f"error: {photo}: is the input, which is never overwritten; {ANOTHER}\n"
    assert photo.read_bytes() == before


def test_neither_picture_nor_model_is_overwritten_by_a_scan(photo, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    cl.classifier("vgg11", classes=["dark", "orange"], taps="conv1_1").save(model)
    linked = tmp_path / "linked.png"
    linked.symlink_to(model)  # a name that a picture may have, of a file that is the model
    before = photo.read_bytes(), model.read_bytes()
    for target in (photo, linked):
        assert cli.run(["scan", str(model), str(photo), str(target), "--class", "dark", "--window", "16"]) == 2
        assert capsys.readouterr().err == f"error: {target}: is the input, which is never overwritten; {ANOTHER}\n"
    assert (photo.read_bytes(), model.read_bytes()) == before


@pytest.mark.parametrize("keys", ["all", "trunk"])
def test_weights_are_not_overwritten_by_their_import(tmp_path, capsys, keys):
    network = cl.trunk("resnet18")
    classifier = {"fc.weight": torch.eye(4, 512), "fc.bias": torch.zeros(4)} if keys == "all" else {}
    source = tmp_path / "mine.safetensors"
    save_file({**network.state_dict(), **classifier}, source)
    before = source.read_bytes()
    assert cli.run(["weights", "import", str(source), str(source), "--trunk", "resnet18"]) == 2
    assert capsys.readouterr().err == f"error: {source}: is the input, which is never overwritten; {ANOTHER}\n"
    assert source.read_bytes() == before


@pytest.mark.parametrize("window", ["0", "-3"])
def test_a_scan_needs_a_window(photo, tmp_path, capsys, window):
    model = tmp_path / "model.safetensors"
    cl.classifier("vgg11", classes=["dark", "orange"], taps="conv1_1").save(model)
    command = ["scan", str(model), str(photo), str(tmp_path / "map.png"), "--class", "dark"]
    assert cli.run([*command, "--window", window]) == 2
    assert capsys.readouterr().err == f"error: --window: need a whole number of at least 1, got {window}\n"
    assert cli.run([*command, "--window", "200"]) == 2
    assert "need pictures of at least 200×200, got 96×128" in capsys.readouterr().err
    assert cli.run(command) == 2
    assert "Missing option '--window'" in capsys.readouterr().err
