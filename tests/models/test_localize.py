import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

import convolens as cl
from convolens.boxes import corners_of, overlaps
from convolens.errors import ArgumentError, ShapeError, WeightsError
from convolens.models.localize import BOX_LOSSES, AttentionPooling, Predictions, losses

CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def model():
    return cl.localizer("resnet18", classes=CLASSES, taps="layer2.1")


def batch_of(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    said = torch.randn(count, 8, 3, 4, generator=random, requires_grad=True)
    present = torch.rand(count, generator=random) < 0.5
    present[0], present[1] = True, False
    labels = torch.randint(0, 3, (count,), generator=random)
    centers, sizes = torch.rand(count, 2, generator=random), 0.1 + 0.4 * torch.rand(count, 2, generator=random)
    return said, present, labels, torch.cat([centers, sizes], dim=1)


@pytest.mark.parametrize("box_loss", BOX_LOSSES)
def test_the_loss_is_the_weighted_sum_of_three_and_class_and_box_count_only_where_there_is_an_object(box_loss):
    said, present, labels, boxes = batch_of(12)
    found = losses(said, present, labels, boxes, object_weight=2.0, class_weight=3.0, box_weight=5.0, box_loss=box_loss)
    answers = Predictions.of(AttentionPooling()(said.detach()))
    expected = [0.0, 0.0, 0.0]
    for at in range(12):
        expected[0] += 2 * float(binary_cross_entropy_with_logits(answers.object[at], present[at].float()))
        if present[at]:
            expected[1] += 3 * float(cross_entropy(answers.classes[at], labels[at]))
            expected[2] += 5 * float(BOX_LOSSES[box_loss](answers.boxes[at : at + 1], boxes[at : at + 1]))
            row, column = int(boxes[at, 1] * 3), int(boxes[at, 0] * 4)
            heard = said[at, 0].detach().flatten().softmax(dim=0).view(3, 4)
            expected[2] -= 5 * 0.5 * float(heard[row, column].log())
    assert [float(part.detach()) for part in (found.object, found.classes, found.box)] == pytest.approx(
        expected, rel=1e-5
    )
    (found.object + found.classes + found.box).backward()
    absent = said.grad[~present]
    assert absent[:, 0].abs().min() > 0
    assert absent[:, 1:].abs().max() == 0  # nothing is taught of the class and box of what is not there


def test_without_any_object_the_loss_is_that_of_objectness_alone():
    said, present, labels, boxes = batch_of(4)
    found = losses(said, torch.zeros_like(present), labels, boxes)
    assert found.classes.item() == found.box.item() == 0
    assert found.object.item() > 0


def test_overlaps_are_those_of_areas_counted_by_hand():
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 4.0, 4.0]])
    b = torch.tensor([[1.0, 1.0, 3.0, 3.0], [3.0, 0.0, 4.0, 1.0], [0.0, 0.0, 4.0, 4.0]])
    iou, generalized = overlaps(a, b)
    assert iou.tolist() == pytest.approx([1 / 7, 0.0, 1.0])
    assert generalized.tolist() == pytest.approx([1 / 7 - 2 / 9, -2 / 4, 1.0])


def test_losses_of_boxes_are_their_definitions():
    found, true = torch.tensor([[0.5, 0.5, 0.2, 0.2]]), torch.tensor([[0.6, 0.5, 0.2, 0.4]])
    assert float(BOX_LOSSES["mse"](found, true)) == pytest.approx((0.1**2 + 0.2**2) / 4)
    assert float(BOX_LOSSES["l1"](found, true)) == pytest.approx(0.3 / 4)
    beta = 0.05
    assert float(BOX_LOSSES["smooth_l1"](found, true)) == pytest.approx((0.1 - beta / 2 + 0.2 - beta / 2) / 4)
    iou = 0.02 / (0.04 + 0.08 - 0.02)
    hull = 0.3 * 0.4
    assert float(BOX_LOSSES["giou"](found, true)) == pytest.approx(1 - (iou - (hull - 0.10) / hull), rel=1e-5)
    corners = corners_of(torch.tensor([[0.5, 0.4, 0.2, 0.4]]))[0].tolist()
    assert corners == pytest.approx([0.4, 0.2, 0.6, 0.6])


def test_a_box_that_does_not_overlap_is_still_drawn_nearer():
    said = torch.zeros(1, 8, 1, 1, requires_grad=True)  # centre (0.5, 0.5), sides 0.5
    found = losses(said, torch.tensor([True]), torch.tensor([0]), torch.tensor([[2.0, 0.5, 0.5, 0.5]]))
    found.box.backward()
    assert float(said.grad[0, -4]) < 0  # to the right


def test_gathering_is_the_mean_that_attention_gives_and_says_where_it_looked():
    said = torch.zeros(1, 1 + 3 + 4, 4, 6)
    said[0, 0, 1, 4] = 50.0  # all attention on one cell
    said[0, 1:4, 1, 4] = torch.tensor([1.0, 2.0, 3.0])
    said[0, 4:8, 1, 4] = torch.tensor([0.01, -0.02, 0.3, 0.4])
    found = AttentionPooling()(said)[0].tolist()
    sure = 50 - np.log(24)  # the log of the mean of exp(50) and 23 times nearly nothing
    assert found == pytest.approx([sure, 1, 2, 3, 4.5 / 6 + 0.01, 1.5 / 4 - 0.02, 0.3, 0.4], abs=1e-5)


def test_every_window_of_a_larger_map_is_predicted_as_it_would_be_alone():
    torch.manual_seed(0)
    said = torch.randn(2, 1 + 3 + 4, 7, 9)
    found = AttentionPooling().over_windows(3, 4)(said)
    assert found.shape == (2, 8, 5, 6)
    for row in range(5):
        for column in range(6):
            alone = AttentionPooling()(said[:, :, row : row + 3, column : column + 4])
            torch.testing.assert_close(found[:, :, row, column], alone, rtol=1e-4, atol=1e-5)


def test_a_localizer_becomes_a_map_of_predictions(model):
    batch = torch.rand(1, 3, 64, 96)
    scanner = cl.convolutionalize(model, 64)
    with torch.inference_mode():
        answers = scanner(batch)
    assert answers.shape == (1, 1 + 3 + 4, 1, 5)
    assert scanner.class_names == CLASSES


def test_a_box_is_given_in_pixels_of_the_picture_whatever_its_shape(model):
    picture = np.random.default_rng(0).integers(0, 256, (80, 200, 3)).astype(np.uint8)
    found = model.predict(picture, threshold=0.0)
    with torch.inference_mode():
        answers = Predictions.of(model(model.preprocess(picture)))
    corners = corners_of(answers.boxes).clamp(0, 1)[0] * torch.tensor([200, 80, 200, 80])
    assert found.box_xyxy == pytest.approx(corners.tolist(), rel=1e-5)
    assert found.label == CLASSES[int(answers.classes.argmax())]
    assert found.objectness == pytest.approx(1 / (1 + math.exp(-float(answers.object))))


def test_what_is_unlikely_to_be_there_has_no_name_and_no_place(model):
    picture = np.zeros((64, 64, 3), np.uint8)
    sure = model.predict(picture, threshold=0.0).objectness
    below, above = model.predict(picture, threshold=sure - 1e-3), model.predict(picture, threshold=sure + 1e-3)
    assert below.label in CLASSES and len(below.box_xyxy) == 4
    assert above.label is None and above.box_xyxy is None
    with pytest.raises(ArgumentError, match=r"threshold: need a number from 0 to 1, got 1\.5"):
        model.predict(picture, threshold=1.5)


def test_many_pictures_give_many_predictions_in_order(model):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (40 + 8 * n, 48, 3)).astype(np.uint8) for n in range(5)]
    together = model.predict(pictures, threshold=0.0, batch=2)
    for one, picture in zip(together, pictures, strict=True):
        assert one == model.predict(picture, threshold=0.0)


def test_a_saved_localizer_predicts_as_before(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    again = cl.load(tmp_path / "model.safetensors", device="cpu")
    picture = np.random.default_rng(1).integers(0, 256, (50, 60, 3)).astype(np.uint8)
    assert again.predict(picture, threshold=0.0) == model.predict(picture, threshold=0.0)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"head": "gap"}, "need a head 'place' on one tap"),
        ({"taps": ["layer1.0", "layer2.0"]}, "need a head 'place' on one tap"),
        ({"taps": ["layer9"]}, "cannot be built: tap: need one of"),
        ({"hidden": 10**9}, "hidden: need 1 to 8192 features, got 1000000000"),
        ({"hidden": "many"}, "need 'hidden' in its header as a int"),
        ({"class_names": []}, "names of classes"),
        ({"class_names": ["cat"]}, r"of other shapes \(head.say.weight \(8,"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(model, tmp_path, facts, message):
    path = tmp_path / "model.safetensors"
    model.save(path)
    with safe_open(path, framework="pt") as stored:
        metadata = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=metadata | {name: json.dumps(fact) for name, fact in facts.items()})
    with pytest.raises(WeightsError, match=message):
        cl.load(path)


def test_explaining_it_shows_why_the_class_was_named(model):
    picture = np.random.default_rng(2).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    for method in ("auto", "layercam", "occlusion"):
        found = cl.explain(model, picture, target="dog", method=method)
        assert found.heatmap.shape == (64, 80)
        assert found.label == "dog"
    with torch.inference_mode():
        answers = Predictions.of(model(model.preprocess(picture)))
    assert found.score == pytest.approx(float(answers.classes[0, 1]), rel=1e-5)


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ArgumentError, match="classes: need at least 1, by name, each once, or by number, got a, a"):
        cl.localizer("resnet18", classes=("a", "a"))
    with pytest.raises(ArgumentError, match="taps: need one of"):
        cl.localizer("resnet18", classes=("a",), taps="layer7")
    with pytest.raises(ArgumentError, match="hidden: need 1 to 8192 features, got 0"):
        cl.localizer("resnet18", classes=("a",), hidden=0)


def test_a_picture_too_small_is_refused_in_a_sentence():
    deep = cl.localizer("vgg11", classes=("a",))
    with pytest.raises(ShapeError, match="need it large enough for"):
        deep.predict(np.zeros((8, 8, 3), np.uint8))
