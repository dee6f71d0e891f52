import re
from functools import partial

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, DtypeError, ShapeError, WeightsError
from convolens.stylization import colors, default_taps
from convolens.stylization.memory import GIGABYTE, bytes_through, plan_memory
from convolens.stylization.pictures import sizes_of
from convolens.stylization.tiles import WHOLE, Tiling
from convolens.tour.pictures import photo

FEW = {"style_taps": ("conv1_1", "conv2_1", "conv3_1"), "content_taps": ("conv2_2",)}


@pytest.fixture(scope="module")
def coffee():
    return np.ascontiguousarray(cl.read_image(photo("coffee.png"))[40:360:4, 60:460:4])


@pytest.fixture(scope="module")
def brick():
    return np.ascontiguousarray(cl.read_image(photo("brick.png"))[:320:4, :320:4])


@pytest.fixture
def restyle(small_trunk, coffee, brick):
    def call(content=coffee, style=brick, **options):
        return cl.stylize(content, style, **({"trunk": small_trunk, "steps": 4, "scales": 2} | FEW | options))

    return call


def last_losses(call):
    steps = []
    call(on_step=steps.append)
    parts = steps[-1].losses
    return sum(value for name, value in parts.items() if name.startswith("style")), parts["content conv2_2"]


def test_strength_0_gives_the_content_and_more_of_it_nears_the_style_and_leaves_the_content(restyle, coffee):
    untouched = restyle(strength=0)
    assert np.abs(untouched.astype(int) - coffee).max() <= 1
    found = [last_losses(lambda level=level, **more: restyle(strength=level, **more)) for level in (0.05, 0.3, 0.9)]
    style, content = zip(*found, strict=True)
    assert style[0] > style[1] > style[2]
    assert content[0] < content[1] < content[2]


def test_the_same_seed_gives_the_same_picture_and_another_another(restyle):
    first, again, other = (restyle(None, size=48, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_falls(restyle, optimizer):
    steps = []
    restyle(on_step=steps.append, scales=1, steps=6, optimizer=optimizer, init="noise")
    assert steps[-1].loss < 0.7 * steps[0].loss
    assert [step.number for step in steps] == list(range(1, 7)) and steps[0].total == 6
    assert steps[-1].picture().shape == (80, 100, 3)


def test_what_comes_out_is_of_the_contents_kind(restyle, coffee):
    assert restyle(steps=1).dtype == np.uint8
    deep = restyle(coffee.astype(np.uint16) * 257, steps=1)
    assert deep.dtype == np.uint16 and (deep % 257 != 0).any()
    unit = (coffee / 255).astype(np.float32)
    assert restyle(unit, steps=1).dtype == np.float32


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.uint16, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_a_tensor_gives_a_tensor_of_its_dtype_with_its_transparency(restyle, coffee, dtype):
    white = 1 if dtype.is_floating_point else torch.iinfo(dtype).max
    alpha = np.linspace(0, 1, 80 * 100).reshape(80, 100, 1)
    content = torch.from_numpy(np.concatenate([coffee / 255, alpha], axis=2) * white).to(dtype)
    found = restyle(content, steps=1)
    assert isinstance(found, torch.Tensor) and (found.dtype, found.shape) == (dtype, (80, 100, 4))
    assert torch.equal(found[:, :, 3].double(), content[:, :, 3].double())
    assert not torch.equal(found[:, :, 0].double(), content[:, :, 0].double())


def test_gray_becomes_color_and_transparency_stays(restyle, coffee):
    assert restyle(coffee[:, :, 0], steps=1).shape == (80, 100, 3)
    alpha = np.linspace(0, 255, 80 * 100).reshape(80, 100, 1).astype(np.uint8)
    seen = restyle(np.concatenate([coffee, alpha], axis=2), steps=1)
    assert np.array_equal(seen[:, :, 3:], alpha)
    assert restyle(np.concatenate([coffee, alpha], axis=2), steps=1, size=50).shape == (40, 50, 4)


def test_a_size_brings_the_longer_side_to_it(restyle):
    assert restyle(size=60, steps=1).shape == (48, 60, 3)
    assert restyle(size=(30, 70), steps=1).shape == (30, 70, 3)


def test_a_texture_has_the_styles_gram_matrices_and_not_its_pixels(restyle, small_trunk, brick):
    made = restyle(None, size=80, steps=25)
    taps = FEW["style_taps"]

    def grams(picture):
        return {tap: cl.gram(found[0]) for tap, found in small_trunk(small_trunk.preprocess(picture), taps).items()}

    wanted, got, noise = grams(brick), grams(made), grams(np.full((80, 80, 3), 128, np.uint8))
    for tap in taps:
        assert (got[tap] - wanted[tap]).norm() < 0.35 * (noise[tap] - wanted[tap]).norm(), tap
    assert np.abs(made.astype(float) - np.repeat(brick[:, :, None], 3, 2)).mean() > 10


def test_a_content_is_rebuilt_from_one_tap(restyle, coffee):
    made = restyle(coffee, None, init="noise", content_taps=("conv1_1",), steps=25, tv_weight=0)
    assert np.corrcoef(made.ravel(), coffee.ravel())[0, 1] > 0.95


def test_two_styles_share_and_masks_part_them(restyle, brick):
    light, dark = brick // 4 + 190, brick // 4
    both = [light, dark]
    mostly = [restyle(None, both, size=48, mix=mix).mean() for mix in ([1, 0], [3, 1], [0, 1])]
    assert mostly[0] > mostly[1] > mostly[2]
    left = np.zeros((80, 100), np.uint8)
    left[:, :50] = 255
    parted = restyle(style=both, masks=[left, 255 - left], strength=1, steps=12)
    assert parted[:, :40].mean() > parted[:, 60:].mean() + 60


def test_the_contents_colors_stay(restyle, coffee):
    kept = restyle(keep_colors=True, steps=3) / 255.0
    wanted = coffee / 255.0
    inside = ((kept > 0.01) & (kept < 0.99)).all(axis=2)
    chroma = [p[..., :2] - p[..., 1:] for p in (kept, wanted)]
    assert np.abs(chroma[0] - chroma[1])[inside].max() < 0.01
    assert np.abs(kept - wanted).mean() > 0.01


def test_matched_colors_have_the_others_mean_and_covariance():
    generator = torch.Generator().manual_seed(0)
    mix = torch.tensor([[0.2, 0.1, 0.0], [0.0, 0.1, 0.05], [0.1, 0.0, 0.1]], dtype=torch.float64)
    picture, to = (torch.rand(1, 3, 40, 40, generator=generator, dtype=torch.float64) for _ in range(2))
    to = 0.4 + (mix @ (to[0].reshape(3, -1) - 0.5)).reshape(to.shape)
    got = colors.matched(picture, to)[0].reshape(3, -1)
    torch.testing.assert_close(got.mean(1), to[0].reshape(3, -1).mean(1), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(got), torch.cov(to[0].reshape(3, -1)), atol=3e-4, rtol=0)


def test_it_goes_on_from_where_it_was_stopped(restyle):
    states, pictures = [], []

    def stop(step):
        states.append(step.state())
        pictures.append(step.picture())
        if step.number == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restyle(on_step=stop)
    state, numbers = states[-1], []
    assert (state.scale, state.step) == (1, 2) and state.picture.shape == (3, 80, 100)
    restyle(resume=state, on_step=lambda step: numbers.append((step.number, step.total)))
    assert numbers == [(11, 12), (12, 12)]
    with pytest.raises(ArgumentError, match="resume: need the state of a run with the same content, size and scales"):
        restyle(resume=state, size=60)


def test_steps_that_are_not_finite_are_warned_of(restyle, small_trunk, monkeypatch):
    from convolens.stylization.objective import Evaluation, Objective

    calls, plain = [], Objective.__call__

    def sometimes(self, picture):
        calls.append(1)
        found = plain(self, picture)
        return Evaluation(float("nan"), found.gradient, found.parts) if len(calls) == 3 else found

    monkeypatch.setattr(Objective, "__call__", sometimes)
    steps = []
    with pytest.warns(RuntimeWarning, match="the loss was not finite: a smaller step was taken"):
        restyle(scales=1, on_step=steps.append)
    assert "smaller step" in steps[1].note


def test_a_large_picture_is_done_in_tiles_and_says_so(restyle):
    steps = []
    restyle(memory=0.036, scales=1, steps=2, on_step=steps.append)
    assert re.search(r"80×100 would take 0\.0\d+ GB at once: done in tiles of 32 pixels, in 0\.0\d+ GB", steps[0].note)
    assert not steps[1].note


@pytest.mark.weights
def test_vgg16_at_4096_would_be_done_in_tiles_within_8_gb():
    trunk = cl.trunk("vgg16")
    content, style = default_taps(trunk)
    assert (content, style) == (("conv4_2",), ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"))
    plan = partial(plan_memory, trunk, (*content, *style), content)
    assert plan((4096, 4096), 6.0).tiling == Tiling(256, "pool4")
    assert plan((4096, 4096), 5.0).tiling.border is None
    assert plan((512, 512), 2.5).tiling == WHOLE
    words = r"1024×1024 would take 3.\d GB at once: done up to pool1 in tiles of 256 pixels, in 2.\d GB"
    assert re.fullmatch(words, plan((1024, 1024), 2.5).note)


@pytest.mark.weights
def test_what_is_allowed_is_kept_to_and_the_fastest_way_that_fits_is_taken():
    trunk = cl.trunk("vgg16")
    taps = ("conv4_2", "conv1_1", "conv5_1")
    borders = []
    for allowed in (1.5, 2.0, 2.5, 4.0):
        plan = plan_memory(trunk, taps, ("conv4_2",), (1024, 1024), allowed)
        borders.append(plan.tiling.border)
        assert bytes_through(trunk, taps, (1024, 1024), plan.tiling) < allowed * GIGABYTE
    assert borders == ["pool3", "pool2", "pool1", None]


def test_scales_double_up_to_the_pictures_own_size():
    assert sizes_of((100, 90), None) == [(100, 90)]
    assert sizes_of((1000, 1500), 3) == [(250, 375), (500, 750), (1000, 1500)]
    assert sizes_of((1000, 1500), [300, 1500]) == [(200, 300), (1000, 1500)]
    assert sizes_of((4096, 4096), None)[0] == (512, 512)


def test_a_trunk_of_ones_own_comes_back_as_it_was(restyle, coffee, brick):
    trunk = cl.trunk("vgg11").train()
    cl.stylize(coffee, brick, trunk=trunk, steps=1, scales=1, **(FEW | {"content_taps": ("conv2_1",)}))
    assert trunk.training and all(p.requires_grad and p.grad is None for p in trunk.parameters())


def test_any_trunk_will_do_residual_ones_too(coffee, brick):
    trunk = cl.trunk("resnet18")
    assert default_taps(trunk) == (("layer2.1",), ("stem", "layer1.0", "layer2.0", "layer3.0", "layer4.0"))
    steps = []
    cl.stylize(coffee, brick, trunk=trunk, steps=3, scales=1, on_step=steps.append)
    assert steps[-1].loss < steps[0].loss


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"style_taps": ("conv9_1",)}, ArgumentError, "style_taps: need one of conv1_1, conv1_2.*got 'conv9_1'"),
        ({"content_taps": ("relu",)}, ArgumentError, "content_taps: need one of conv1_1"),
        ({"tap_weights": {"conv5_1": 2}}, ArgumentError, "tap_weights: need one of conv1_1, conv2_1, conv3_1"),
        ({"masks": [np.ones((9, 9))]}, ShapeError, "mask 1: need the content's 80×100 pixels, got 9×9"),
        ({"masks": []}, ArgumentError, "masks: need one for each of the 1 styles, got 0"),
        ({"masks": [np.zeros((80, 100))]}, ArgumentError, "mask 1: need some place where it is above 0"),
        ({"content": None, "style": None}, ArgumentError, "need a content or a style, got neither"),
        ({"content": None}, ArgumentError, "size: need the texture's height and width"),
        ({"content": None, "size": 48, "init": "content"}, ArgumentError, "init: need a content to start from"),
        ({"content": np.full((80, 80, 3), np.nan)}, ArgumentError, r"content: need floats in \[0, 1\]"),
        ({"content": np.zeros((80, 80, 3), int)}, DtypeError, "need uint8, uint16 or floats"),
        (
            {"content": np.zeros((2, 2, 3), np.uint8)},
            ShapeError,
            r"content: need it large enough for conv2_2 \(stride 2\), got 1×1",
        ),
        ({"strength": 2}, ArgumentError, "strength: need a number from 0 to 1, got 2"),
        ({"style_weight": -1}, ArgumentError, "style_weight: need a number of at least 0, got -1"),
        ({"mix": [1, 2]}, ArgumentError, "mix: need 1 of them, got 2"),
        ({"keep_colors": "hue"}, ArgumentError, "keep_colors: need a bool, 'luminance' or 'histogram', got 'hue'"),
        ({"optimizer": "sgd"}, ArgumentError, "optimizer: need one of lbfgs, adam, got 'sgd'"),
        ({"steps": [1]}, ArgumentError, "steps: need a number of at least 0, or one for each of the 2 scales"),
        ({"scales": 0}, ArgumentError, "scales: need 1 to 16, got 0"),
        ({"size": 0}, ArgumentError, "size: need a whole number of at least 1, got 0"),
        ({"trunk": "vgg16", "weights": "/nowhere.pth"}, WeightsError, "nowhere.pth"),
    ],
)
def test_bad_input_is_one_clear_sentence(restyle, options, error, message):
    with pytest.raises(error, match=message):
        restyle(**options)
