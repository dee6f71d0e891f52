"""Every network against torchvision's: the same keys, the same number of parameters, the same logits.

goldens.json was made by make_goldens.py in float64, from weights that published.py can make again.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

from convolens.trunks import TRUNKS

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


@torch.inference_mode()
def furthest_logit(name, size):
    """The largest difference from the golden logits, as a part of the largest logit."""
    trunk, head = whole_network(name, "cpu")
    published.fill(state_of(trunk, head))
    maps = trunk(published.batch(published.SHAPES[size]).float())
    logits = head(list(maps.values()))[0]
    expected = torch.tensor(GOLDENS[name]["logits"][size], dtype=torch.float64)
    return ((logits[: len(expected)] - expected).abs().max() / GOLDENS[name]["largest"][size]).item()


def test_there_is_a_golden_for_every_network():
    assert list(GOLDENS) == list(TRUNKS)


@pytest.mark.parametrize("name", TRUNKS)
def test_keys_shapes_and_parameter_counts_are_torchvisions(name):
    trunk, head = whole_network(name, "meta")
    assert published.keys_digest(state_of(trunk, head)) == GOLDENS[name]["keys"]
    assert sum(p.numel() for part in (trunk, head) for p in part.parameters()) == GOLDENS[name]["parameters"]


@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("resnet50", 25_557_032)])
def test_parameter_counts_are_the_published_ones(name, count):
    assert GOLDENS[name]["parameters"] == count


@pytest.mark.parametrize("name", TRUNKS)
def test_logits_of_a_small_picture_are_torchvisions(name):
    assert furthest_logit(name, "small") < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("size", ["square", "wide"])
@pytest.mark.parametrize("name", TRUNKS)
def test_logits_of_a_whole_picture_are_torchvisions(name, size):
    error = furthest_logit(name, size)
    print(f"{name} {size}: {error:.1e} of the largest logit")
    assert error < 1e-5
