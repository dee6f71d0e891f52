"""What `cl.precision` may change: rounding, never an answer that is not a tie."""

import pytest
import torch

import convolens as cl
from examples.textures import write_textures


@pytest.fixture(autouse=True)
def fast_again():
    yield
    cl.precision("fast")


def in_both(run):
    answers = []
    for mode in ("fast", "exact"):
        cl.precision(mode)
        answers.append(run())
    return answers


@pytest.mark.slow
@pytest.mark.weights
def test_the_texture_classifier_gives_the_same_predictions_on_300_crops(tmp_path):
    write_textures(tmp_path, train=60, test=100)
    taps = ("conv2_1", "conv3_1", "conv4_1")
    run = cl.train(
        "classify", tmp_path / "train", trunk="vgg16", weights="hed", taps=taps, out=tmp_path / "run", progress=False
    )
    model, crops = run.load(), sorted((tmp_path / "test").rglob("*.png"))
    fast, exact = in_both(lambda: [answer.labels[0] for answer in model.predict(crops)])
    print(f"{len(crops)} crops, {sum(one != other for one, other in zip(fast, exact, strict=True))} answers differ")
    assert len(crops) == 300
    assert fast == exact


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet50"])
def test_a_random_networks_first_class_is_the_same_wherever_it_is_no_tie(name):
    model = cl.classifier(name, classes=[str(number) for number in range(1000)], seed=1)
    for layer in model.modules():
        if isinstance(
            layer, torch.nn.BatchNorm2d
        ):  # a new block's last norm is 0, which would leave out its 3×3 layers
            torch.nn.init.constant_(layer.weight, 0.5)
    pictures = torch.rand(12, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fast, exact = in_both(lambda: model(pictures))
    (first, second), largest = exact.topk(2).values.T, exact.abs().amax(dim=1)
    clear = first - second > 1e-4 * largest
    differ = float(((fast - exact).abs().amax(dim=1) / largest).max())
    print(f"{name}: {int(clear.sum())} of 12 are no tie; scores differ by {differ:.1e}")
    assert differ > 0
    assert clear.any()
    assert fast.argmax(1)[clear].equal(exact.argmax(1)[clear])
