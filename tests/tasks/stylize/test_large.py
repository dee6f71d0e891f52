import subprocess
import sys

import pytest

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
