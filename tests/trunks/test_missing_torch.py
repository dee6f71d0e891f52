"""Without torch, a network call says what to install."""

import subprocess
import sys


def test_without_torch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None; import convolens as cl; cl.trunk('vgg16')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "convolens.errors.MissingExtraError: trunk: needs the package torch, which is not installed; "
        "pip install 'convolens[networks]'"
    )
