"""Whole published networks as classifiers: from a checkpoint of theirs to predictions with class names."""

import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError
from convolens.trunks import Preprocessing
from convolens.trunks.registry import trunk

PICTURE = torch.rand(300, 260, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A state dict under torchvision's names, with eight classes."""
    network = trunk("resnet18", seed=1)
    head = network.original_head(8)
    generator = torch.Generator().manual_seed(0)
    state = {**network.state_dict(), **head.state_dict()}
    torch.nn.init.normal_(state["fc.weight"], 0, 0.1, generator=generator)
    torch.nn.init.normal_(state["fc.bias"], 0, 0.1, generator=generator)
    path = tmp_path_factory.mktemp("weights") / "eight.pth"
    torch.save(state, path)
    return path


def test_original_and_pooled_head_of_a_published_resnet_score_alike(checkpoint):
    original, pooled = (cl.classifier("resnet18", weights=checkpoint, head=head) for head in ("original", "gap"))
    expected = original.predict(PICTURE, top=3)
    found = pooled.predict(PICTURE, top=3)
    assert found.labels == expected.labels
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)
    assert expected.labels[0].startswith("class ")


def test_a_published_classifier_survives_its_model_file(checkpoint, tmp_path):
    model = cl.classifier("resnet18", weights=checkpoint, head="original")
    model.trunk.preprocessing = Preprocessing(resize=64, crop=48)
    model.save(tmp_path / "model.safetensors")
    again = cl.load(tmp_path / "model.safetensors")
    assert again.predict(PICTURE) == model.predict(PICTURE)
    assert again.trunk.preprocessing == model.trunk.preprocessing


def test_a_model_file_also_serves_as_weights_of_a_trunk(checkpoint, tmp_path):
    cl.classifier("resnet18", weights=checkpoint, head="original").save(tmp_path / "model.safetensors")
    network = cl.trunk("resnet18", weights=tmp_path / "model.safetensors")
    assert torch.equal(network.conv1.weight, cl.trunk("resnet18", weights=checkpoint).conv1.weight)
    again = cl.classifier("resnet18", weights=tmp_path / "model.safetensors", head="original")
    assert again.class_names == tuple(f"class {number}" for number in range(8))


def test_what_is_missing_for_a_published_classifier_is_named(checkpoint):
    with pytest.raises(
        ArgumentError, match=r"classes: need names for a new head; without, .* weights with a classifier"
    ):
        cl.classifier("resnet18")
    with pytest.raises(ArgumentError, match=r"taps: need the trunk's last, pool5, for its own head, got conv4_1"):
        cl.classifier("vgg11", classes=["a", "b"], taps="conv4_1", head="original")
