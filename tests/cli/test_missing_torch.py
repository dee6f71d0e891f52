import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["torch", "safetensors"])
@pytest.mark.parametrize("arguments", [["predict", "model", "photo.png"], ["train", "classify", "photos", "--trunk",
                         "vgg16", "--weights", "hed", "--out", "run"],
                         ["train", "classify", "photos"], ["evaluate", "model", "photos"]])  # fmt: skip
def test_a_network_command_without_its_packages_says_what_to_install(package, arguments):
    code = f"import sys; sys.modules[{package!r}] = None; from convolens import cli; sys.exit(cli.run({arguments!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == (
        f"error: network: needs the package {package}, which is not installed; pip install 'convolens[networks]'\n"
    )
