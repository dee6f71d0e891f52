"""Names of files are bytes, and need not be UTF-8: nothing ends in a traceback, and they are shown with escapes."""

import os
from pathlib import Path

import pyarrow.parquet
import pytest

from convolens.cli import app
from convolens.errors import FileError
from tests.data.test_folders import fill
from tests.fuzz.networks import network


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Two classes, with a picture of each named `caf\xe9.png` in Latin-1."""
    for value, name in enumerate(("dark", "light")):
        fill(tmp_path / "data" / name, 4, 100 * value)
    picture = tmp_path / "data" / "dark" / "00.png"
    try:
        picture.rename(picture.with_name(os.fsdecode(b"caf\xe9.png")))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("named")
def test_doctor_train_evaluate_and_predict(capsys):
    run(["doctor", "data", "--html", "doctor.html"], 1)  # the pictures of a class are copies of one another
    assert r"data/dark/caf\xe9.png" in capsys.readouterr().out
    train = ["train", "classify", "data", "--trunk", "resnet18", "--width", "0.25", "--size", "32"]
    run([*train, "--epochs", "1", "--batch", "4", "--out", "run"])
    run(["evaluate", "run", "data", "--html", "evaluated.html"])
    run(["predict", "run", "data", "--out", "predicted"])
    for page in ("doctor.html", "evaluated.html"):
        assert r"caf\xe9.png" in Path(page).read_text(encoding="utf-8")
    assert r"caf\udce9.png" in Path("predicted/predictions.jsonl").read_text(encoding="utf-8")  # JSON's own escape


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_have_the_escapes(suffix):
    network().save("model.safetensors")
    run(["doctor", "data", "--table", f"doctor{suffix}"], 1)
    run(["predict", "model.safetensors", "data", "--out", "predicted", "--table", f"predicted{suffix}"])
    tables = [f"doctor{suffix}", f"predicted{suffix}"]
    if suffix == ".parquet":
        run(["features", "model.safetensors", "data", "--out", "features.parquet"])
        tables.append("features.parquet")
    for table in tables:
        assert rb"data/dark/caf\xe9.png" in contents(table), table


def contents(table):
    if table.endswith(".csv"):
        return Path(table).read_bytes()
    return repr(pyarrow.parquet.read_table(table).to_pydict()).replace(r"\\", "\\").encode()


@pytest.mark.usefixtures("named")
def test_a_refusal_shows_the_escapes():
    with pytest.raises(FileError, match=r"caf\\xe9\.png/x"):
        app(["doctor", os.fsdecode(b"data/dark/caf\xe9.png/x")], standalone_mode=False)


def run(arguments, code=0):
    try:
        result = app(arguments, standalone_mode=False)  # an exit code, or what the command says of its results
    except SystemExit as end:
        result = end.code
    assert (result if isinstance(result, int) else 0) == code
