"""Every network against torchvision's: the same keys, the same number of parameters, the same logits.

goldens.json was made by make_goldens.py in float64, from weights that published.py can make again.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

import convolens as cl
from convolens.trunks import TRUNKS
from convolens.trunks.weights.checkpoint import Checkpoint, tidy
from convolens.trunks.weights.loading import build_with, original_head_of
from tests.trunks.each import EACH

_spec = importlib.util.spec_from_file_location("published", Path(__file__).parent / "published.py")
published = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(published)

GOLDENS = published.goldens()


def whole_network(name, device):
    with torch.device("meta"):
        trunk = TRUNKS[name]()
        head = trunk.original_head(1000)
    return (trunk.to_empty(device=device).eval(), head.to_empty(device=device).eval())


def state_of(trunk, head):
    return {**trunk.state_dict(), **head.state_dict()}


# How far the logits may lie from float64's, as a part of the largest of them.
WITHIN = {"fast": 3e-5, "exact": 1e-5}


@pytest.fixture(autouse=True)
def _as_fast_as_by_default():
    yield
    cl.precision("fast")


@torch.inference_mode()
def furthest_logits(name, size):
    """For each precision the largest difference from the golden logits, as a part of the largest logit."""
    trunk, head = whole_network(name, "cpu")
    published.fill(state_of(trunk, head))
    batch = published.batch(published.SHAPES[size]).float()
    expected = torch.tensor(GOLDENS[name]["logits"][size], dtype=torch.float64)
    found = {}
    for precision in WITHIN:
        cl.precision(precision)
        logits = head(list(trunk(batch).values()))[0]
        found[precision] = ((logits[: len(expected)] - expected).abs().max() / GOLDENS[name]["largest"][size]).item()
    return found


def test_there_is_a_golden_for_every_network():
    assert [name for name in GOLDENS if "/" not in name] == list(TRUNKS)


@pytest.mark.parametrize("name", TRUNKS)
def test_keys_shapes_and_parameter_counts_are_torchvisions(name):
    trunk, head = whole_network(name, "meta")
    assert published.keys_digest(state_of(trunk, head)) == GOLDENS[name]["keys"]
    assert sum(p.numel() for part in (trunk, head) for p in part.parameters()) == GOLDENS[name]["parameters"]


@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("resnet50", 25_557_032)])
def test_parameter_counts_are_the_published_ones(name, count):
    assert GOLDENS[name]["parameters"] == count


@pytest.mark.parametrize("name", EACH)
def test_logits_of_a_small_picture_are_torchvisions(name):
    found = furthest_logits(name, "small")
    assert all(found[precision] < limit for precision, limit in WITHIN.items()), found


def in_timms_words(state, name):
    """Keys and shapes as timm has them: its VGG keeps its dense layers as convolutions."""
    if name != "vgg16":
        return dict(state)
    shapes = {
        "classifier.0": ("pre_logits.fc1", (4096, 512, 7, 7)),
        "classifier.3": ("pre_logits.fc2", (4096, 4096, 1, 1)),
    }
    renamed = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        target, shape = shapes.get(layer, ("head.fc" if layer == "classifier.6" else layer, value.shape))
        renamed[f"{target}.{kind}"] = value.view(shape if kind == "weight" else value.shape)
    return renamed


@torch.inference_mode()
@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_timms_weights_load_through_the_mapping_and_agree(name):
    state = in_timms_words(state_of(*whole_network(name, "cpu")), name)
    assert published.keys_digest(state) == GOLDENS[f"timm/{name}"]["keys"]
    published.fill(state)
    cl.precision("exact")
    checkpoint = Checkpoint(f"timm/{name}", tidy(state, name))
    trunk = build_with(checkpoint, name, TRUNKS, {})
    head = original_head_of(checkpoint, trunk, TRUNKS)
    logits = head(list(trunk(published.batch(published.SHAPES["small"]).float()).values()))[0]
    golden = GOLDENS[f"timm/{name}"]
    expected = torch.tensor(golden["logits"]["small"], dtype=torch.float64)
    assert (logits[: len(expected)] - expected).abs().max() < 1e-5 * golden["largest"]["small"]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["square", "wide"])
@pytest.mark.parametrize("name", TRUNKS)
def test_logits_of_a_whole_picture_are_torchvisions(name, size):
    found = furthest_logits(name, size)
    print(f"{name} {size}: {found['fast']:.1e} of the largest logit, exact {found['exact']:.1e}")
    assert all(found[precision] < limit for precision, limit in WITHIN.items()), found
