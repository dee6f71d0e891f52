"""Shared by all tests: arrays' shapes are checked by beartype while tests run, and everything random is seeded."""

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

from tests.memory import resident

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests that import onnxruntime themselves report to nobody
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # networks are made on a GPU where there is one; truths are the CPU's

# Who runs the tests behind a shell's `&` or `nohup` has these ignored, and so would the processes that tests interrupt.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# Only where shapes are named: the check takes 50 µs a call, which doubled the time of tests of small inner functions.
SOURCE = Path(__file__).parents[1] / "src"
SHAPED = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if "from jaxtyping" in path.read_text() and path.name != "__init__.py"
]
install_import_hook(SHAPED, "beartype.beartype")

# Deadlines measure the machine, not the code; derandomised so that a failure is the same failure tomorrow.
settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
settings.load_profile("default")

MUCH = 100_000_000  # bytes more than at the least since the last time: the step takes milliseconds
_resident = resident() if sys.platform == "linux" else 0


@pytest.fixture(autouse=True)
def _gradients_are_left_on():
    """A call that turns gradients off for its own work turns them on again, whatever ends it."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        pytest.fail("gradients were left turned off")


@pytest.fixture(autouse=True)
def _annotations_are_not_checked_where_input_is_bad(request):
    unchecked = request.node.get_closest_marker("bad_input") is not None
    config.update("jaxtyping_disable", unchecked)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=os.environ.get("CONVOLENS_TEST_BFLOAT16") == "1")
def _trainings_are_in_bfloat16(monkeypatch):
    """As on a processor that multiplies it: `make test-avx2` where the processor does not."""
    monkeypatch.setattr("convolens.training.loop.multiplies_bfloat16", lambda device: True)


@pytest.fixture(autouse=True)
def _freed_memory_goes_back_once_it_is_much():
    """Freed tensors of less than 32 MB stay in glibc's heap: gigabytes of them by the end of all tests."""
    yield
    global _resident
    if sys.platform != "linux":
        return
    _resident = min(_resident, resident())
    if resident() > _resident + MUCH:
        from convolens.arrays import release_pool  # not above: the hook must see every import

        gc.collect()  # a fused network's graph and its modules know one another
        release_pool()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's alone
            trim(0)
        _resident = resident()
