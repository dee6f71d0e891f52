"""Refusals speak the command line's words."""

import numpy as np
import pytest

from convolens import cli
from convolens.media.images import write_image


@pytest.fixture
def photo(tmp_path):
    write_image(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    return tmp_path / "photo.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train classify DATA --trunk vgg16 --weights hed --epochs 3 --out run", "; give --finetune all or a tap"),
        ("train classify DATA --trunk vgg16 --lr fast --out run", "error: --lr: need a number or find, got 'fast'"),
        ("train classify DATA --trunk vgg61 --out run", "error: --trunk: need one of vgg11, "),
        ("train detect DATA --trunk vgg16 --weight-decay -1 --out run", "error: --weight-decay: need a number"),
        ("stylize PHOTO PHOTO out.png --style-tap conv9_1", "error: --style-tap: need one of conv1_1, "),
        ("stylize PHOTO PHOTO out.png --mix 1 --mix 2 --size 16", "error: --mix: need 1 of them, got 2"),
        ("filter a.wav bandpass b.wav --frequency 300 3400", "of its values: --frequency 300 --frequency 3400; see"),
        ("filter a.wav bandpass b.wav c.wav --frequency 300", "extra argument(s) (c.wav); see convolens filter --help"),
    ],
)
def test_a_refusal_names_the_option_that_was_typed(photo, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ("brick", "grass"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(photo.read_bytes())
        (tmp_path / "data" / name / "2.png").write_bytes(photo.read_bytes())
    assert cli.run([{"DATA": "data", "PHOTO": str(photo)}.get(word, word) for word in arguments.split()]) == 2
    assert message in capsys.readouterr().err


def test_a_misspelt_name_is_answered_with_the_nearest(photo, tmp_path, capsys):
    out = str(tmp_path / "out.png")
    for arguments, near in (
        (["trace", str(photo), out, "--tap", "conv3-3"], "conv3_3"),
        (["trace", str(photo), out, "--tap", "conv3_3", "--trunk", "resnet-18"], "resnet18"),
        (["trace", str(photo), out, "--tap", "conv3_3", "--weights", "imagnet"], "imagenet"),
        (["edges", str(photo), out, "--method", "sobl"], "sobel"),
        (["convolve", str(photo), "embos", out], "emboss"),
        (["convolve", str(photo), "emboss", out, "--boundary", "symetric"], "symmetric"),
    ):
        assert cli.run(arguments) == 2
        assert f"did you mean {near!r}?" in capsys.readouterr().err
