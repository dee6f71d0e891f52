import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, ShapeError, WeightsError
from convolens.models.detect import DetectionLoss, Detections, Detector
from convolens.models.detect.feature_maps import init_from_dense
from convolens.models.model_file import read_model_file, write_model_file

CLASSES = ("cat", "dog", "owl")
TARGETS = {
    "boxes": torch.tensor([[[0.1, 0.1, 0.6, 0.7], [0.5, 0.4, 0.9, 0.9]], [[0.2, 0.3, 0.5, 0.6], [0, 0, 0, 0]]]),
    "labels": torch.tensor([[0, 2], [1, -1]]),
}


def small(objectness="softmax", size=(96, 128), seed=0):
    return cl.detector("resnet18", size=size, classes=CLASSES, objectness=objectness, width=0.25, seed=seed)


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.mark.parametrize(("size", "boxes", "grids"), [
    (300, 8732, (38, 19, 10, 5, 3, 1)),
    (512, 24564, (64, 32, 16, 8, 4, 2, 1)),
])  # fmt: skip
def test_on_vgg16_it_is_the_papers_ssd(size, boxes, grids):
    with torch.device("meta"):
        model = cl.detector("vgg16", size=size, classes=[f"class {number}" for number in range(20)])
    assert model.defaults.count == boxes
    assert tuple(level.rows for level in model.defaults.levels) == grids
    if size == 300:
        assert sum(parameter.numel() for parameter in model.parameters()) == 26_285_486


@pytest.mark.parametrize(("name", "size"), [("vgg11", 64), ("vgg13_bn", (64, 96)), ("resnet50", 200), ("resnet18", 97)])
def test_any_trunk_at_any_size_gives_as_many_outputs_as_there_are_default_boxes(name, size):
    model = cl.detector(name, size=size, classes=CLASSES, width=0.1)
    outputs = model(model.preprocess(np.zeros((50, 40, 3), np.uint8)))
    assert outputs.scores.shape == (1, model.defaults.count, 4)
    assert outputs.offsets.shape == (1, model.defaults.count, 4)
    assert min(model.defaults.levels[-1].rows, model.defaults.levels[-1].columns) == 1


@pytest.mark.parametrize(
    ("objectness", "box_loss"), [("softmax", "smooth_l1"), ("softmax", "mse"), ("binary", "l1"), ("binary", "giou")]
)
def test_a_step_down_the_loss_lowers_it(objectness, box_loss):
    torch.manual_seed(0)
    model = small(objectness, (64, 64)).train()
    batch, loss = torch.rand(2, 3, 64, 64), DetectionLoss(box_loss)
    matches = model.match(**TARGETS)
    counts = model.counts(matches, loss)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(3):
        losses = model.losses(model(batch), matches, loss)
        assert losses.keys() == counts.keys()
        total = sum(losses[name] / max(counts[name], 1) for name in losses)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0]
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if "trunk.fc" not in name)


def test_detections_are_in_pixels_of_the_original_and_likeliest_first(model):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 200, 3), dtype=np.uint8)
    found = model.predict(pixels, threshold=0.05)
    assert isinstance(found, Detections)
    assert len(found) == len(found.boxes_xyxy) == len(found.scores) == len(found.default_boxes) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes_xyxy.min() >= 0
    assert 100 < found.boxes_xyxy[:, 2].max() <= 200
    assert found.boxes_xyxy[:, 3].max() <= 60
    assert found.labels == tuple(CLASSES[number] for number in found.classes)


def test_a_detection_knows_the_default_box_that_said_it(model):
    pixels = np.random.default_rng(1).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    found = model.predict(pixels, threshold=0.05)
    with torch.no_grad():
        likely = model(model.preprocess(pixels)).scores.softmax(dim=-1)
    expected = likely[0, found.default_boxes, found.classes + 1].numpy()
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4)


def test_many_pictures_of_any_kind_give_one_result_each_in_order(model):
    random = np.random.default_rng(2)
    pictures = [
        random.random((40, 800)),
        random.random((90, 70, 3)),
        random.random((90, 70, 4)),
        random.random((31, 30)),
    ]
    together = model.predict(pictures, threshold=0.02, batch=3)
    for picture, found in zip(pictures, together, strict=True):
        alone = model.predict(picture, threshold=0.02)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
        assert found.boxes_xyxy.max() <= max(picture.shape)
    assert model.predict([]) == []


def test_a_model_comes_back_from_its_file_as_it_was(tmp_path):
    model = small("binary", seed=3)
    model.metrics = {"ap": 0.5}
    model.save(tmp_path / "model.safetensors")
    back = cl.load(tmp_path / "model.safetensors", device="cpu")
    assert isinstance(back, Detector)
    assert (back.class_names, back.metrics, back.objectness, back.size) == (CLASSES, {"ap": 0.5}, "binary", (96, 128))
    batch = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        torch.testing.assert_close(back(batch), model(batch))
    np.testing.assert_array_equal(back.defaults.boxes, model.defaults.boxes)


@pytest.mark.bad_input
@pytest.mark.parametrize(("fact", "value", "message"), [
    ("default_boxes", [[[0.5, 2.0]]], "sides above 0 and up to 1"),
    ("steps", [8.0, -1.0], "strides: need numbers above 0"),
    ("objectness", "maybe", "objectness: need one of softmax, binary"),
    ("width", 1e9, "width: need a number above 0"),
    ("taps", ["layer9"], "taps: need one of"),
])  # fmt: skip
def test_a_header_that_lies_is_refused(tmp_path, model, fact, value, message):
    model.save(tmp_path / "good.safetensors")
    facts = {**read_model_file(tmp_path / "good.safetensors").facts, fact: value}
    write_model_file(tmp_path / "bad.safetensors", model, facts)
    with pytest.raises(WeightsError, match=message):
        cl.load(tmp_path / "bad.safetensors")


def test_a_trained_detector_is_the_start_for_other_classes(tmp_path, model):
    model.save(tmp_path / "model.safetensors")
    other = cl.detector(weights=tmp_path / "model.safetensors", classes=["one", "two"])
    assert other.class_names == ("one", "two")
    ours, theirs = model.state_dict(), other.state_dict()
    changed = {name for name in ours if ours[name].shape != theirs[name].shape or not ours[name].equal(theirs[name])}
    assert changed == {name for name in ours if name.startswith("heads.classes.")}


def test_a_trained_detector_with_its_own_classes_stays_as_it_is(tmp_path, model):
    model.save(tmp_path / "model.safetensors")
    for classes in (None, list(CLASSES)):
        same = cl.detector(weights=tmp_path / "model.safetensors", classes=classes, seed=1)
        assert same.class_names == CLASSES
        assert all(value.equal(same.state_dict()[name]) for name, value in model.state_dict().items())
    turned = cl.detector(weights=tmp_path / "model.safetensors", classes=CLASSES[::-1], seed=1)
    assert not any(
        weight.equal(turned.state_dict()[f"heads.classes.{name}"])
        for name, weight in model.heads.classes.state_dict().items()
        if weight.any()
    )


@pytest.mark.bad_input
def test_what_cannot_be_built_is_said_in_one_sentence(model):
    with pytest.raises(ArgumentError, match="classes: need names of what there is to find, or weights of a whole"):
        cl.detector("vgg16")
    with pytest.raises(ArgumentError, match="classes: need at least 1, by name, each once, or by number, got a, a"):
        cl.detector("resnet18", classes=["a", "a"])
    with pytest.raises(ShapeError, match=r"size: need it large enough for conv4_2 \(stride 8\), got 4×4 pixels"):
        cl.detector(cl.trunk("vgg11"), classes=["a"], size=4)
    with pytest.raises(ArgumentError, match=r"default boxes: need shapes .* for each of 5 maps, got 1"):
        cl.detector("resnet18", classes=["a"], size=128, boxes=(((0.5, 0.5),),))
    with pytest.raises(ArgumentError, match="taps: need at least one, each once, got none"):
        cl.detector("resnet18", classes=["a"], taps=[])
    with pytest.raises(ShapeError, match="batch: need 96×128 pixels, got 128×96"):
        model(torch.rand(1, 3, 128, 96))
    with pytest.raises(ArgumentError, match="threshold: need a number from 0 to 1, got 2"):
        model.predict(np.zeros((9, 9, 3), np.uint8), threshold=2)
    with pytest.raises(ArgumentError, match="box_loss: need one of smooth_l1, l1, mse, giou, got 'l3'"):
        DetectionLoss("l3")


def test_what_is_explained_of_detections_are_the_scores_of_their_default_boxes(model):
    pixels = np.random.default_rng(4).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    batch = model.preprocess(pixels)
    found = model.predict(pixels, threshold=0.05)
    scores = model(batch).scores
    last = model.defaults.count - 1
    for boxes in ([0], [int(found.default_boxes[0])], [last], [last, 0]):
        view = model.explained(boxes)
        expected = torch.cat([scores[:, box, 1:] for box in boxes], dim=1)
        torch.testing.assert_close(view(batch), expected)
        likely = torch.cat([scores[:, box, 1:].softmax(dim=1) for box in boxes], dim=1)
        torch.testing.assert_close(view.probabilities(expected), likely)
        for tap in view.passed_taps[-3:]:
            twice = view.maps(batch, [tap])[tap].repeat(2, 1, 1, 1)
            torch.testing.assert_close(view.rest(batch, tap)(twice)[1:], expected)
    assert model.explained([0]).passed_taps[-1] == model.taps[0]
    assert model.explained([0, last]).passed_taps[-1] == model.taps[-1]
    with pytest.raises(ArgumentError, match=f"default_boxes: need numbers from 0 to {last}, got 0, {last + 1}"):
        model.explained([0, last + 1])
    with pytest.raises(ArgumentError, match="got none"):
        model.explained([])


def test_what_it_evaluates_takes_no_gradient_only_meanwhile():
    model = small().train()
    model.trunk.conv1.requires_grad_(False)
    model.predict(np.zeros((20, 20, 3), np.uint8))
    assert model.training
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {"trunk.conv1.weight"}


def test_fc6_and_fc7_are_every_third_cell_and_every_fourth_feature_of_vggs_dense_layers():
    model = cl.detector("vgg16", classes=CLASSES)
    fc6, fc7 = model.feature_maps.dense[1], model.feature_maps.dense[3]
    cells = torch.arange(512.0)[:, None] * 100 + torch.arange(49.0)  # feature and cell of the 7×7 map
    features = torch.arange(4096.0)
    state = {
        "classifier.0.weight": cells.flatten().expand(4096, -1),
        "classifier.0.bias": features,
        "classifier.3.weight": features[:, None] * 10_000 + features,
        "classifier.3.bias": -features,
    }
    assert init_from_dense(model.feature_maps, state)
    np.testing.assert_array_equal(fc6.weight[7, 3].detach(), [[300, 303, 306], [321, 324, 327], [342, 345, 348]])
    assert fc6.bias[:3].tolist() == [0, 4, 8]
    assert fc7.weight[2, :3, 0, 0].tolist() == [80_000, 80_004, 80_008]
    assert fc7.bias[1023].item() == -4092
    kept = fc6.weight.clone()
    spoilt = {**state, "classifier.3.bias": torch.full((4096,), torch.nan)}
    assert not init_from_dense(model.feature_maps, spoilt)  # as in the features that SSD's authors published
    assert not init_from_dense(model.feature_maps, {})
    assert fc6.weight.equal(kept)


@pytest.mark.weights
def test_weights_of_a_trunk_are_where_a_detector_starts():
    model = cl.detector("vgg16", weights="hed", classes=CLASSES)
    trunk = cl.trunk("vgg16", weights="hed")
    assert model.trunk.features[0].weight.equal(trunk.features[0].weight)
    assert model.preprocessing.mean == trunk.preprocessing.mean
    assert model.size == (300, 300)
