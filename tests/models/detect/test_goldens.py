"""Against torchvision's SSD300, piece by piece; goldens.json was made by make_goldens.py."""

import hashlib
import json

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import WeightsError
from convolens.models.detect import Outputs, Selection
from tests.models.detect import known
from tests.trunks.published import fill

GOLDENS = json.loads(known.GOLDENS.read_text())


@pytest.fixture(scope="module", params=known.CLASSES)
def published(request, tmp_path_factory):
    """Our detector from a checkpoint with torchvision's keys, and what torchvision's says."""
    golden = GOLDENS[str(request.param)]
    state = {key: torch.empty(shape) for key, shape in golden["keys"].items()}
    fill(state)
    path = tmp_path_factory.mktemp("published") / "ssd300_vgg16_coco-b556d3b4.pth"
    torch.save(state, path)
    return cl.detector(weights=path), golden, request.param, path


def test_the_checkpoint_loads_by_its_keys_and_knows_cocos_names(published):
    model, golden, classes, _ = published
    assert sum(parameter.numel() for parameter in model.parameters()) == golden["parameters"]
    assert len(model.class_names) == classes - 1
    if classes == 91:
        assert model.class_names[:2] == ("person", "bicycle")
        assert (model.class_names[17], model.class_names[89]) == ("dog", "toothbrush")


def test_default_boxes_are_equal(published):
    model, golden, *_ = published
    corners = model.grids.corners.contiguous().numpy()
    assert hashlib.sha256(corners.tobytes()).hexdigest() == golden["default_boxes"]


def test_preprocessing_is_the_same(published):
    model, golden, *_ = published
    both = torch.cat([model.preprocess(one) for one in known.pictures()])
    np.testing.assert_allclose(known.sampled(both), golden["prepared"], atol=1e-3)  # of ±120


def test_head_outputs_are_the_same(published):
    model, golden, *_ = published
    with torch.no_grad():
        outputs = model(known.batch())
    scores, offsets = known.sampled(outputs.scores), known.sampled(outputs.offsets)
    np.testing.assert_allclose(scores, golden["scores"], atol=1e-4 * golden["largest_score"])
    np.testing.assert_allclose(offsets, golden["offsets"], atol=1e-4 * golden["largest_offset"])


def test_losses_are_the_same(published):
    model, golden, classes, _ = published
    objects = known.objects(classes)
    boxes, labels = torch.zeros(2, 25, 4), torch.full((2, 25), -1)
    for number, (corners, kinds) in enumerate(objects):
        boxes[number, : len(corners)], labels[number, : len(kinds)] = corners, kinds
    matches = model.match(boxes, labels)
    losses, counts = model.losses(Outputs(*known.outputs(classes)), matches), model.counts(matches)
    assert float(losses["class"] / counts["class"]) == pytest.approx(golden["losses"]["classification"], rel=1e-4)
    assert float(losses["box"] / counts["box"]) == pytest.approx(golden["losses"]["bbox_regression"], rel=1e-4)


def test_detections_are_the_same_in_the_same_order(published):
    model, golden, classes, _ = published
    found = model.decode(Outputs(*known.outputs(classes)), known.SIZES, Selection(threshold=0.01))
    for ours, theirs in zip(found, golden["detections"], strict=True):
        assert ours.classes.tolist() == theirs["classes"]
        np.testing.assert_allclose(ours.scores, theirs["scores"], rtol=1e-5)
        np.testing.assert_allclose(ours.boxes_xyxy.ravel(), theirs["boxes_xyxy"], atol=0.02)


def test_it_is_fine_tuned_on_classes_of_ones_own(published, tmp_path):
    model, _, classes, path = published
    if classes != 21:
        return  # once is enough: it is a large model
    own = cl.detector(weights=path, classes=["screw", "nut"])
    before = {name: parameter.clone() for name, parameter in own.named_parameters() if name.startswith("heads")}
    for name in ("trunk.features.0.weight", "feature_maps.extra.3.2.weight", "heads.boxes.2.weight"):
        assert own.get_parameter(name).equal(model.get_parameter(name))
    own.trunk.requires_grad_(False)
    optimizer = torch.optim.SGD((one for one in own.parameters() if one.requires_grad), lr=1e-6)
    matches = own.match(torch.tensor([[[0.2, 0.2, 0.7, 0.6]]]), torch.tensor([[1]]))
    sum(own.losses(own(known.batch()), matches).values()).backward()
    optimizer.step()
    changed = {name for name, value in before.items() if not own.get_parameter(name).equal(value)}
    assert {name.split(".")[1] for name in changed} == {"classes", "boxes"}
    own.save(tmp_path / "own.safetensors")
    assert cl.load(tmp_path / "own.safetensors", device="cpu").class_names == ("screw", "nut")


@pytest.mark.parametrize(("change", "message"), [
    (lambda state: state.pop("backbone.extra.0.7.1.weight"), r"got 1 missing \(feature_maps.dense.1.weight\)"),
    (lambda state: state["backbone.scale_weight"].fill_(torch.nan), "need finite numbers, got NaN or infinity"),
    (lambda state: state.pop("head.classification_head.module_list.5.bias"), "need an SSD300 of torchvision's"),
])  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, message):
    state = {key: torch.zeros(shape) for key, shape in GOLDENS["21"]["keys"].items()}
    change(state)
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match=message):
        cl.detector(weights=tmp_path / "bad.pth")
