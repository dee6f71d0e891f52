"""No layer corrupts memory, on no processor: those left to torch neither (docs/faults-in-torch.md)."""

import subprocess
import sys

import pytest

from convolens import _core
from tests.layers.each_apart import CAPABILITIES, environment

HERE = _core.instruction_sets().split(",")
EACH = [pytest.param(name, marks=() if name in HERE else pytest.mark.skip(f"no {name} here")) for name in CAPABILITIES]


def lines_of(capability, *words):
    command = [sys.executable, "-m", "tests.layers.each_apart", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(capability), check=True)
    *faults, last = done.stdout.splitlines()
    assert last.endswith("done")
    return faults


@pytest.mark.parametrize("capability", EACH[:2])
def test_layers_that_torch_cannot_be_trusted_with_train_unharmed(capability):
    assert lines_of(capability, "ours", "dangerous") == []


@pytest.mark.slow
@pytest.mark.parametrize("capability", EACH)
def test_no_layer_dies_or_errs_on_any_processor(capability):
    assert lines_of(capability, "ours", "all") == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["resnet", "ssd"])
def test_thin_networks_train_for_a_thousand_steps(network, precision):
    own = {"float32": "avx2", "bfloat16": "avx512"}[precision]  # as this processor is: by AVX2's it takes an hour
    assert lines_of(own, "train", network, precision, "1000") == []
