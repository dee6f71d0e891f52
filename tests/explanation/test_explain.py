import copy
import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, FileError, MethodError, ShapeError
from convolens.explanation import METHODS, explain_by, explain_top
from convolens.media.images import write_image
from convolens.models.classify import Classifier

CLASSES = ("brick", "grass", "gravel")


def test_the_mean_of_the_cam_and_the_bias_are_the_classs_score(model, picture):
    logits = model(model.preprocess(picture))[0].detach()
    for number, name in enumerate(CLASSES):
        found = cl.explain(model, picture, target=name, method="cam")
        bias = float(model.head.linear.bias[number].detach())
        assert found.grids["conv3_1"].mean() + bias == pytest.approx(float(logits[number]), rel=1e-4, abs=1e-5)
        assert found.score == pytest.approx(float(logits[number]), rel=1e-5)


def test_over_several_taps_the_means_add_up_to_the_score(two_taps, picture):
    found = cl.explain(two_taps, picture, target="grass")
    assert found.method == "cam"
    assert set(found.grids) == {"conv2_1", "conv3_1"}
    parts = sum(grid.mean() for grid in found.grids.values())
    assert parts + float(two_taps.head.linear.bias[1].detach()) == pytest.approx(found.score, rel=1e-4, abs=1e-5)


def test_gradcam_before_its_relu_is_cam_divided_by_the_number_of_cells(model, picture):
    for target in CLASSES:
        cam = cl.explain(model, picture, target=target, method="cam").grids["conv3_1"]
        gradcam = cl.explain(model, picture, target=target, method="gradcam").grids["conv3_1"]
        np.testing.assert_allclose(gradcam, cam / cam.size, rtol=1e-4, atol=1e-7 * np.abs(cam).max())
        assert gradcam.min() < 0


def test_the_heatmap_has_the_pictures_own_pixels_and_follows_its_cells(model, picture):
    found = cl.explain(model, picture, target="grass")
    assert found.heatmap.shape == (24, 36)
    assert found.heatmap.dtype == np.float32
    # conv3_1 has stride 4: away from the border, the middle of a 4×4 block is the mean of four cells' blend.
    grid = found.grids["conv3_1"]
    assert grid.shape == (6, 9)
    np.testing.assert_allclose(found.heatmap.mean(), grid.mean(), atol=0.05 * np.abs(grid).max())
    top = np.unravel_index(grid.argmax(), grid.shape)
    y, x = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
    assert (y // 4, x // 4) == top


@pytest.mark.parametrize(("name", "tap"), [("resnet18", "layer2.1"), ("vgg16", "conv2_2")])
def test_a_cell_lies_in_the_middle_of_what_it_sees(name, tap):
    model = cl.classifier(name, classes=CLASSES, taps=tap)
    found = cl.explain(model, np.random.default_rng(1).integers(0, 256, (50, 77, 3), dtype=np.uint8), target=0)
    grid = found.grids[tap]
    seen = [[model.trunk.trace(tap, number, number)[axis::2] for number in range(size)]
            for axis, size in zip((1, 0), grid.shape, strict=True)]  # fmt: skip
    rows, columns = (np.mean(boxes, axis=1) - 0.5 for boxes in seen)
    along = np.stack([np.interp(np.arange(77), columns, row) for row in grid])
    expected = np.stack([np.interp(np.arange(50), rows, column) for column in along.T]).T
    np.testing.assert_allclose(found.heatmap, expected, atol=1e-5 * np.abs(expected).max())
    if name == "resnet18":  # spread evenly, it would lie 3.5 pixels further right and down
        assert rows[:2].tolist() == columns[:2].tolist() == [0, 8]


def marked(left, top, size=(60, 80)):
    """Black, with a bright square that conv1_1's features must notice."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[top : top + 8, left : left + 8] = 255
    return picture


@pytest.mark.parametrize(("resize", "crop"), [(None, None), (30, None), (45, 40), (90, 90), (None, 48)])
def test_resizing_and_cropping_are_undone(trunk, resize, crop):
    model = cl.classifier(copy.deepcopy(trunk), classes=CLASSES, taps="conv1_1")
    model.trunk.preprocessing = _fit(model, resize, crop)
    with torch.no_grad():  # the map is the mean over features of what they answer, less what they answer to black
        model.head.linear.weight.fill_(1.0)
    found = cl.explain(model, marked(36, 24), target=0)
    heat = np.abs(found.heatmap - np.median(found.heatmap[20:40, 20:60]))
    inner = heat[9:-9, 19:-19]  # what no crop cuts off, without the padding's own answer at its border
    rows, columns = np.nonzero(inner > 0.5 * inner.max())
    assert abs(rows.mean() + 9 - 27.5) < 1.5
    assert abs(columns.mean() + 19 - 39.5) < 1.5


def _fit(model, resize, crop):
    return replace(model.trunk.preprocessing, resize=resize, crop=crop)


def test_outside_the_crop_the_network_has_not_looked_and_the_map_is_zero(model, picture):
    cropped = Classifier(model.trunk, model.head, taps=model.taps, class_names=CLASSES).eval()
    before = model.trunk.preprocessing
    try:
        model.trunk.preprocessing = _fit(model, None, 20)
        found = cl.explain(cropped, picture)
    finally:
        model.trunk.preprocessing = before
    assert not found.heatmap[:2].any() and not found.heatmap[:, :8].any()
    assert not found.heatmap[-2:].any() and not found.heatmap[:, -8:].any()
    assert found.heatmap[2:-2, 8:-8].all()


def test_the_likeliest_class_is_explained_unless_another_is_named(model, picture):
    likeliest = model.predict(picture).labels[0]
    assert cl.explain(model, picture).label == likeliest
    assert cl.explain(model, picture, target=2).label == "gravel"


def test_many_pictures_of_several_sizes_give_the_same_as_each_alone_in_order(model, picture, tmp_path):
    write_image(tmp_path / "photo.png", picture)
    several = [picture, picture[:20], picture[:20, :30], picture[4:], tmp_path / "photo.png", torch.tensor(picture)]
    for method in ("cam", "layercam"):
        found = cl.explain(model, several, target="grass", method=method, batch=2)
        assert [one.heatmap.shape for one in found] == [(24, 36), (20, 36), (20, 30), (20, 36), (24, 36), (24, 36)]
        for one, shown in zip(found, several, strict=True):
            alone = cl.explain(model, shown, target="grass", method=method)
            np.testing.assert_allclose(one.heatmap, alone.heatmap, rtol=1e-4, atol=1e-6)
            assert one.score == pytest.approx(alone.score, rel=1e-4)
    assert cl.explain(model, []) == []


def test_why_one_class_rather_than_another_is_the_difference_of_their_maps(model, picture):
    one, other = (cl.explain(model, picture, target=name) for name in ("grass", "brick"))
    contrast = cl.explain(model, picture, target="grass", against="brick")
    assert contrast.label == "grass rather than brick"
    assert contrast.score == pytest.approx(one.score - other.score, rel=1e-3, abs=1e-5)
    np.testing.assert_allclose(contrast.heatmap, one.heatmap - other.heatmap, rtol=1e-3, atol=1e-5)
    counter = cl.explain(model, picture, target="grass", counterfactual=True)
    assert (counter.label, counter.method) == ("against grass", "cam")
    np.testing.assert_allclose(counter.heatmap, -one.heatmap, rtol=1e-5)


def test_a_function_of_the_scores_can_be_the_target(model, picture):
    def grass(scores):
        return scores[:, 1]

    found = cl.explain(model, picture, target=grass)
    assert (found.method, found.label) == ("gradcam", "grass")
    named = cl.explain(model, picture, target="grass", method="gradcam")
    np.testing.assert_allclose(found.heatmap, named.heatmap, rtol=1e-5)


def test_a_tap_before_the_heads_can_be_looked_at(model, picture):
    found = cl.explain(model, picture, taps="conv1_2")
    assert found.method == "gradcam"
    assert found.grids["conv1_2"].shape == (24, 36)


def test_the_gradient_at_an_earlier_tap_is_that_of_the_whole_network(two_taps, picture):
    """Both of the head's taps lie behind conv1_2, and both ways count."""
    batch = two_taps.preprocess(picture)
    maps = two_taps.trunk(batch.requires_grad_(), taps=("conv1_2", "conv2_1", "conv3_1"))
    score = two_taps.head([maps["conv2_1"], maps["conv3_1"]])[0, 1]
    (gradient,) = torch.autograd.grad(score, maps["conv1_2"])
    expected = (gradient * maps["conv1_2"]).sum(dim=1)[0].detach()
    found = cl.explain(two_taps, picture, target="grass", method="hirescam", taps="conv1_2")
    np.testing.assert_allclose(found.grids["conv1_2"], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_explaining_leaves_nothing_behind(model, picture, method):
    def tensors():
        gc.collect()
        return sum(1 for thing in gc.get_objects() if type(thing) is torch.Tensor)

    small = picture[:8, :12]
    cl.explain(model, small, method=method)
    before = tensors()
    for _ in range(2):
        cl.explain(model, small, method=method)
    assert tensors() == before
    assert all(parameter.grad is None for parameter in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks and not module._backward_hooks and not module._forward_pre_hooks


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "gras"}, ArgumentError, "brick, grass, gravel, got 'gras'; did you mean 'grass'"),
        ({"target": "sky"}, ArgumentError, "got 'sky'$"),
        ({"target": 3}, ArgumentError, "target: need a class from 0 to 2, got 3"),
        ({"target": -1}, ArgumentError, "target: need a class from 0 to 2, got -1"),
        ({"target": True}, ArgumentError, "got True"),
        ({"target": lambda scores: scores}, ShapeError, r"that gives \(1,\) for \(1, 3\), got \(1, 3\)"),
        ({"target": lambda scores: scores[:, 0], "against": 1}, ArgumentError, "against: needs a class as target"),
        ({"against": "sky"}, ArgumentError, "need one of the classes"),
        ({"method": "magic"}, MethodError, "method: need one of auto, cam, gradcam.*, got 'magic'"),
        ({"taps": "conv4_1"}, ArgumentError, r"need some that the model passes \(conv1_1, .*conv3_1\), got 'conv4_1'"),
        ({"taps": ()}, ArgumentError, "taps: need at least one, each once, got none"),
        ({"taps": "conv1_2", "method": "cam"}, MethodError, "cam: needs a head that pools conv1_2 .* gradcam, hires"),
        ({"target": lambda scores: scores[:, 0], "method": "cam"}, MethodError, "cam: needs a class as target"),
        ({"batch": 0}, ArgumentError, "batch: need a whole number of at least 1, got 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_refused(model, picture, options, error, message):
    with pytest.raises(error, match=message):
        cl.explain(model, picture, **options)


@pytest.mark.bad_input
def test_a_model_in_training_mode_and_a_missing_picture_are_refused(model, picture):
    model.train()
    try:
        with pytest.raises(ArgumentError, match=r"evaluation mode, got training mode; call model\.eval\(\) first"):
            cl.explain(model, picture)
    finally:
        model.eval()
    with pytest.raises(FileError, match=r"nowhere\.png: need a picture, found nothing"):
        cl.explain(model, "nowhere.png")


class DenseHead(nn.Module):
    """A head that does not pool."""

    kind = "dense"

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(256 * 6 * 9, 3)

    def forward(self, maps):
        return self.layer(maps[0].flatten(1))


def test_a_head_without_pooling_is_explained_by_gradcam_and_cam_says_what_works(trunk, picture):
    model = Classifier(trunk, DenseHead(), taps=("conv3_1",), class_names=CLASSES).eval()
    assert cl.explain(model, picture).method == "gradcam"
    with pytest.raises(MethodError, match=r"needs a head that pools conv3_1 .* gradcam, hirescam and layercam work"):
        cl.explain(model, picture, method="cam")


@pytest.mark.bad_input
@pytest.mark.parametrize("method", ["cam", "gradcam", "scorecam"])
def test_a_map_of_one_cell_says_nothing_of_where_and_is_refused(trunk, method):
    model = cl.classifier(trunk, classes=CLASSES, taps="pool5")
    small = np.full((32, 32, 3), 90, np.uint8)
    with pytest.raises(ShapeError, match="tap pool5: need a map of more than one cell to say where, got 1×1; take an "):
        cl.explain(model, small, method=method)
    assert cl.explain(model, small, method="gradcam", taps="pool4").grids["pool4"].shape == (2, 2)


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", [np.int64, np.int32, bool])
def test_a_picture_of_other_integers_than_bytes_is_refused(model, dtype):
    with pytest.raises(DtypeError, match=f"need uint8, uint16 or float.*, got {np.dtype(dtype)}"):
        cl.explain(model, np.ones((20, 30, 3), dtype))


@pytest.mark.parametrize("method", ["cam", "gradcam", "ablationcam"])
def test_a_head_on_several_taps_runs_the_trunk_once(two_taps, picture, method, monkeypatch):
    passes, forward = [], type(two_taps.trunk).forward
    monkeypatch.setattr(
        type(two_taps.trunk), "forward", lambda *given, **named: passes.append(1) or forward(*given, **named)
    )
    cl.explain(two_taps, picture, method=method)
    assert len(passes) == 1


def test_several_methods_and_classes_decode_and_run_the_trunk_once_and_say_the_same(two_taps, picture, monkeypatch):
    methods = ["cam", "gradcam", "occlusion"]
    alone = [explain_top(two_taps, picture, 2, method=method) for method in methods]
    passes, forward = [], type(two_taps.trunk).forward
    monkeypatch.setattr(
        type(two_taps.trunk), "forward", lambda *given, **named: passes.append(1) or forward(*given, **named)
    )
    together = explain_by(two_taps, picture, methods[:2], count=2)
    assert len(passes) == 1
    together = explain_by(two_taps, picture, methods, count=2)
    for of_one, of_all in zip(alone, together, strict=True):
        for one, other in zip(of_one, of_all, strict=True):
            assert (one.method, one.label, one.score) == (
                other.method,
                other.label,
                pytest.approx(other.score, abs=1e-5),
            )
            np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-5 * float(np.abs(one.heatmap).max()))


def test_pictures_are_taken_as_they_are_needed(model, picture):
    taken = []

    def endless():
        for number in range(100):
            taken.append(number)
            yield picture if number < 3 else "nowhere.png"

    with pytest.raises(FileError):
        cl.explain(model, endless(), batch=1)
    assert len(taken) < 12  # a few are read ahead
