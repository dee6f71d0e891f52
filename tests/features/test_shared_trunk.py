from xml.etree import ElementTree

import pytest
import torch

from convolens.errors import ArgumentError
from convolens.features.shared_trunk import share_trunk
from convolens.models.classify import classifier
from convolens.trunks import receptive_fields
from convolens.trunks.registry import trunk


def test_several_heads_run_the_trunk_once_and_score_as_alone():
    body = trunk("resnet18")
    textures = classifier(body, classes=["brick", "grass"], taps="layer2.1", seed=1)
    damage = classifier(body, classes=["whole", "cracked", "gone"], taps=("layer2.1", "layer3.0"), seed=2)
    shared = share_trunk(body, {"textures": textures, "damage": damage})
    ran = []
    body.conv1.register_forward_hook(lambda *_: ran.append(1))
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        scores = shared(batch)
        assert len(ran) == 1
        assert {name: tuple(value.shape) for name, value in scores.items()} == {"textures": (2, 2), "damage": (2, 3)}
        torch.testing.assert_close(scores["textures"], textures(batch))
        torch.testing.assert_close(scores["damage"], damage(batch))


def test_heads_on_another_trunk_are_refused():
    body = trunk("resnet18")
    with pytest.raises(ArgumentError, match=r"share_trunk: need heads on this very trunk, got 'other' on another"):
        share_trunk(body, {"other": classifier("resnet18", classes=["a", "b"])})
    with pytest.raises(ArgumentError, match="heads: need a model for each name, at least one, got"):
        share_trunk(body, {})


def test_the_table_of_receptive_fields_has_a_line_for_every_tap():
    network = trunk("resnet18")
    header, *lines = str(receptive_fields(network)).splitlines()
    assert header.split() == ["tap", "channels", "stride", "size", "offset"]
    assert [line.split()[0] for line in lines] == list(network.taps)
    assert lines[-1].split() == ["layer4.1", "512", "32", "435", "-217"]


def test_the_table_of_receptive_fields_has_rows_to_compute_with_and_shows_itself_in_a_notebook():
    network = trunk("resnet18")
    table = receptive_fields(network)
    assert [row.tap for row in table.rows] == list(network.taps)
    assert all((row.size, row.stride, row.offset) == network.receptive_field(row.tap) for row in table.rows)
    shown = ElementTree.fromstring(table._repr_html_())
    assert [cell.text for cell in shown.iter("th")] == ["tap", "channels", "stride", "size", "offset"]
    *_, last = shown.iter("tr")
    assert [cell.text for cell in last] == ["layer4.1", "512", "32", "435", "-217"]
