"""A detector's objects, each explained on its own."""

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, MethodError
from convolens.explanation import explain_by

CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def model(picture):
    """Random, and background made likelier until few objects are left: what is tested holds for any."""
    model = cl.detector("resnet18", size=(96, 128), classes=CLASSES, width=0.25, seed=1)
    with torch.no_grad():
        for head in model.heads.classes:
            head.weight *= 2
        while len(model.predict(picture)) > 4:
            for head in model.heads.classes:
                head.bias.view(-1, 4)[:, 0] += 0.4
    return model


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).integers(0, 256, (60, 100, 3), dtype=np.uint8)


def test_each_object_has_a_map_of_the_score_that_it_was_found_by(model, picture):
    found, explained = model.predict(picture), cl.explain(model, picture)
    assert len(explained) == len(found) >= 2
    batch = model.preprocess(picture)
    for number in range(2):
        one = explained[number]
        assert (one.label, one.method) == (found.labels[number], "hirescam")
        assert one.found_xyxy == tuple(found.boxes_xyxy[number].tolist())
        assert one.heatmap.shape == (60, 100)
        assert set(one.grids) <= set(model.taps)
        maps = {tap: value.detach().requires_grad_() for tap, value in model.trunk(batch, taps=model.taps).items()}
        said = model.heads(model.feature_maps(list(maps.values())))
        score = said.scores[0, int(found.default_boxes[number]), 1 + int(found.classes[number])]
        assert one.score == pytest.approx(score.item(), rel=1e-4)
        for tap in one.grids:
            (gradient,) = torch.autograd.grad(score, maps[tap])
            expected = (gradient * maps[tap]).sum(dim=1)[0].detach()
            np.testing.assert_allclose(one.grids[tap], expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_objects_share_the_trunks_passes_however_many_they_are(model, picture, monkeypatch):
    found, passes, forward = model.predict(picture), [], type(model.trunk).forward
    levels = {model.explained([int(box)]).passed_taps for box in found.default_boxes}
    monkeypatch.setattr(
        type(model.trunk), "forward", lambda *given, **named: passes.append(1) or forward(*given, **named)
    )
    assert len(cl.explain(model, picture)) == len(found) > len(levels)
    assert len(passes) == 1 + len(levels)  # one to find them, and for each level one to its taps


def test_several_methods_share_them_too(model, picture, monkeypatch):
    passes, forward = [], type(model.trunk).forward
    levels = {model.explained([int(box)]).passed_taps for box in model.predict(picture).default_boxes}
    by_each = [cl.explain(model, picture, method=method) for method in ("gradcam", "hirescam")]
    monkeypatch.setattr(
        type(model.trunk), "forward", lambda *given, **named: passes.append(1) or forward(*given, **named)
    )
    for alone, together in zip(by_each, explain_by(model, picture, ["gradcam", "hirescam"]), strict=True):
        for one, other in zip(alone, together, strict=True):
            assert (one.method, one.label, one.score) == (other.method, other.label, other.score)
            np.testing.assert_array_equal(one.heatmap, other.heatmap)
    assert len(passes) == 1 + len(levels)


def test_why_an_object_is_one_class_rather_than_another(model, picture):
    plain, rival = (cl.explain(model, picture, against=against) for against in (None, "owl"))
    every = model(model.preprocess(picture)).scores[0, :, 1:].detach().numpy()
    for one, other, box in zip(plain, rival, model.predict(picture).default_boxes, strict=True):
        assert other.label == f"{one.label} rather than owl"
        scores = every[int(box)]
        assert other.score == pytest.approx(scores[CLASSES.index(one.label)] - scores[CLASSES.index("owl")], abs=1e-5)


def test_an_earlier_tap_sees_through_the_maps_in_between(model, picture):
    (one, *_) = cl.explain(model, picture, taps="layer1.1", method="layercam")
    assert one.grids["layer1.1"].shape == (24, 32)
    assert one.heatmap.max() > 0


def test_a_class_as_target_picks_its_objects_and_counter_turns_the_score(model, picture):
    every = cl.explain(model, picture)
    dogs = cl.explain(model, picture, target="dog")
    assert [one.score for one in dogs] == [one.score for one in every if one.label == "dog"]
    against = cl.explain(model, picture, target="dog", counterfactual=True, taps=model.taps[0])
    assert against[0].label == "against dog"
    assert against[0].score == -dogs[0].score
    assert {one.label for one in every} == {"dog"}
    assert cl.explain(model, picture, target="owl") == []
    (several,) = cl.explain(model, [picture], target="dog", taps=model.taps[0])
    assert [one.score for one in several] == [one.score for one in dogs]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "dgo"}, ArgumentError, "need one of the classes cat, dog, owl, got 'dgo'; did you mean 'dog'"),
        (
            {"target": lambda scores: scores[:, 0]},
            MethodError,
            "target: of a detector need a class or None, got a function",
        ),
        ({"method": "cam"}, MethodError, "cam: needs a head that pools"),
        ({"taps": "layer9.1"}, ArgumentError, "taps: need some that the model passes"),
    ],
)
def test_what_cannot_be_asked_of_a_detector_is_refused(model, picture, options, error, message):
    with pytest.raises(error, match=message):
        cl.explain(model, picture, **options)
