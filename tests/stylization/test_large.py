import subprocess
import sys

import pytest

import convolens as cl
from convolens.stylization import default_taps
from convolens.stylization.losses import ContentTerm, StyleTerm
from convolens.stylization.objective import Objective, grams_of, maps_of
from convolens.stylization.optimizers import Lbfgs, optimize
from convolens.stylization.pictures import as_unit, resized
from convolens.stylization.tiles import WHOLE, Tiling
from convolens.tour.pictures import photo

SIZE = (144, 160)
RUN = """
import resource, sys
import numpy as np
import convolens as cl
from convolens.tour.pictures import photo
side, steps, memory = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
content = np.tile(cl.read_image(photo("astronaut.png")), (side // 512 + 1, side // 512 + 1, 1))[:side, :side]
notes, losses = [], []
def on_step(step):
    notes.append(step.note)
    losses.append(step.loss)
cl.stylize(content, photo("ihc.png"), scales=1, steps=steps, memory=memory, on_step=on_step)
assert "in tiles" in notes[0], notes
assert losses[-1] < losses[0], losses
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)
"""


@pytest.mark.weights
@pytest.mark.slow
def test_4096_squared_takes_five_steps_in_less_than_8_gb():
    done = subprocess.run([sys.executable, "-c", RUN, "4096", "5", "6"], capture_output=True, text=True, check=True)
    print(f"4096²: {float(done.stdout):.2f} GB")
    assert float(done.stdout) < 8


@pytest.fixture(scope="module")
def wanted():
    """VGG16 with real weights, a photo, and what is wanted of it in the manner of another."""
    trunk = cl.trunk("vgg16", weights="hed").requires_grad_(False)
    (content_tap,), style_taps = default_taps(trunk)
    content, style = (resized(as_unit(photo(name), name), SIZE) for name in ("astronaut.png", "ihc.png"))
    terms = [ContentTerm(content_tap, 1.0, maps_of(trunk, (content_tap,), content)[content_tap])]
    terms += [StyleTerm(tap, 0, 20.0, gram, None) for tap, gram in grams_of(trunk, style_taps, style).items()]
    return content, lambda tiling: Objective(trunk, terms, 5.0, SIZE, tiling)


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("tiling", [Tiling(64), Tiling(64, "pool1"), Tiling(64, "pool3")])
def test_real_weights_by_tiles_give_the_same_at_a_picture_and_nearly_so_after_50_steps(wanted, tiling):
    start, objective = wanted
    whole, tiled = objective(WHOLE), objective(tiling)
    untiled = [iterate.picture for iterate in optimize(start, whole, Lbfgs(20), 50)]
    for place in (start, untiled[9], untiled[49]):
        one, other = whole(place), tiled(place)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert (other.gradient - one.gradient).abs().max() <= 1e-4 * one.gradient.abs().max()
    *_, last = optimize(start, tiled, Lbfgs(20), 50)
    assert last.evaluation.loss == pytest.approx(whole(untiled[49]).loss, rel=0.05)
    print(f"{tiling}: {last.evaluation.loss / whole(untiled[49]).loss - 1:+.2%} after 50 steps")
