"""`torch.jit.trace` and `torch.compile` record torch's own operators, whatever the sizes, without a warning."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECORDED = ("vgg", "resnet", "classifier", "localizer", "detector", "scanner")

# In a process of its own: the annotations checked in this one are not torch's to trace. Warnings count, but for those
# that `torch.jit` itself is deprecated; so does what dynamo logs.
RUN = """
import io, json, logging, sys, warnings
import torch
from tests.models.every_module import MODULES, batch_for, tensors_in

def distance(found, expected):
    pairs = zip(tensors_in(found), tensors_in(expected), strict=True)
    return max(float((one - other).detach().abs().max() / other.detach().abs().max()) for one, other in pairs)

def traced(name, module):
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, batch_for(name, 1), strict=False), file)  # a trunk gives a dict: not strict
    file.seek(0)
    return torch.jit.load(file)

def compiled(name, module):
    torch.compiler.reset()
    return torch.compile(module, backend="eager", fullgraph=True)

class Kept(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
logging.getLogger("torch").addHandler(Kept(logging.WARNING))
found = {}
for name in sys.argv[1:]:
    module = MODULES[name]().eval()
    other = torch.rand(3, 3, *((96, 96) if name == "detector" else (72, 96)))
    for kind in (traced, compiled):
        said.clear()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                far, error = distance(kind(name, module)(other), module(other)), ""
            except Exception as failure:
                far, error = 1.0, f"{type(failure).__name__}: {failure}"
        said += [str(one.message) for one in warned if "is deprecated. Please switch to" not in str(one.message)]
        found[f"{kind.__name__} {name}"] = [far, error, sorted(set(said))]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", RUN, *RECORDED], cwd=root, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("kind", ["traced", "compiled"])
def test_a_recorded_module_is_the_module_for_other_batches_too(found, kind, name):
    """Traced under gradients, checked by torch, saved and loaded; compiled as one graph."""
    far, error, said = found[f"{kind} {name}"]
    assert (error, said) == ("", [])
    assert far < 1e-4  # ours and torch's convolutions round differently
