import numpy as np
import pytest
import torch

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, FormatError
from convolens.inference.pooled_features import features_of_files
from tests.inference.test_predict import fill


@pytest.fixture
def model():
    return cl.classifier(cl.trunk("resnet18", stem="small", width=0.25), classes=["a", "b"])


def test_a_table_has_the_means_of_the_taps_maps(model, tmp_path):
    import pyarrow.parquet

    photos = fill(tmp_path / "photos", 5)
    (photos / "02.png").write_bytes(b"none")
    for name in ("f.parquet", "f.npz"):
        found = features_of_files(model, [photos], tmp_path / name, taps=["layer1.0", "layer2.1"], progress=False)
        assert found.done == 4 and "02.png" in found.failed[0]
    table = pyarrow.parquet.read_table(tmp_path / "f.parquet").to_pydict()
    arrays = np.load(tmp_path / "f.npz")
    names = [str(photos / f"{number:02}.png") for number in (0, 1, 3, 4)]
    assert table["path"] == names == arrays["path"].tolist()
    with torch.inference_mode():
        maps = model.eval().trunk(model.preprocess(names), taps=("layer1.0", "layer2.1"))
    for tap in ("layer1.0", "layer2.1"):
        expected = maps[tap].mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(np.array(table[tap]), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(arrays[tap], expected, rtol=1e-4, atol=1e-5)


def test_what_has_no_taps_and_what_is_no_table_is_refused(model, tmp_path):
    photos = fill(tmp_path / "photos", 1)
    with pytest.raises(FormatError, match=r"need a table's suffix, \.parquet or \.npz, got \.txt"):
        features_of_files(model, [photos], tmp_path / "f.txt", progress=False)
    with pytest.raises(ArgumentError, match="model: need a model in torch or a trunk"):
        features_of_files(object(), [photos], tmp_path / "f.npz", progress=False)


def test_the_command_writes_a_table(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    photos = fill(tmp_path / "photos", 2)
    assert cli.run(["features", str(tmp_path / "m.safetensors"), str(photos), "--out", str(tmp_path / "f.npz")]) == 0
    assert len(np.load(tmp_path / "f.npz")["path"]) == 2
