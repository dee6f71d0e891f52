"""timm's models on the hub: what its package hands over is read as any file; what it says of pictures is kept."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from convolens.errors import MissingExtraError, WeightsError
from convolens.trunks import Preprocessing
from convolens.trunks.registry import trunk

CONFIG = {
    "pretrained_cfg": {
        "input_size": [3, 224, 224], "crop_pct": 0.95, "interpolation": "bicubic", "num_classes": 1000,
        "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1],
    }
}  # fmt: skip


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's package, handing out files of a folder."""

    def hf_hub_download(repository, file):
        assert repository == "timm/resnet18.a1_in1k"
        if not (tmp_path / file).exists():
            raise OSError(f"404 for {file}\nand more")
        return str(tmp_path / file)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=hf_hub_download))
    return tmp_path


def test_tensors_and_preprocessing_come_from_the_hub(hub):
    made = trunk("resnet18", seed=5)
    save_file(made.state_dict(), hub / "model.safetensors")
    (hub / "config.json").write_text(json.dumps(CONFIG))
    network = trunk("resnet18", weights="timm/resnet18.a1_in1k")
    assert torch.equal(network.conv1.weight, made.conv1.weight)
    assert network.weights == "timm/resnet18.a1_in1k"
    assert network.preprocessing == Preprocessing(
        mean=(0.5, 0.4, 0.3), deviation=(0.2, 0.2, 0.1), interpolation="bicubic"
    )


def test_no_connection_and_no_model_name_the_way_out(hub):
    with pytest.raises(WeightsError, match=r"timm/resnet18.a1_in1k: cannot be had from the hub \(404 .*safetensors\)"):
        trunk("resnet18", weights="timm/resnet18.a1_in1k")


@pytest.mark.parametrize("config", ["no JSON", "[1]", json.dumps({"pretrained_cfg": {"mean": [0.5]}})])
def test_a_description_that_is_none_is_refused(hub, config):
    save_file({"a": torch.zeros(1)}, hub / "model.safetensors")
    (hub / "config.json").write_text(config)
    with pytest.raises(WeightsError, match=r"config.json: need "):
        trunk("resnet18", weights="timm/resnet18.a1_in1k")


def test_without_the_hubs_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"needs the package huggingface-hub.* pip install 'convolens\[hub\]'"):
        trunk("resnet18", weights="timm/resnet18.a1_in1k")
