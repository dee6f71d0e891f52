from pathlib import Path

import pytest

import convolens as cl
from convolens import settings
from convolens.errors import ArgumentError, MemoryRefused
from convolens.free_memory import free_bytes
from convolens.memory import fits, need_memory

GIGABYTE = 1_000_000_000


@pytest.fixture(autouse=True)
def _default_budget_after():
    yield
    cl.memory_limit("auto")


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n"}


def test_what_the_system_says_is_available_is_free(tmp_path):
    assert free_bytes(machine(tmp_path, MEMINFO)) == 8_000_000 * 1024


@pytest.mark.parametrize(
    ("line", "place", "limit", "usage", "droppable"),
    [
        ("0::/job", "sys/fs/cgroup/job", "memory.max", "memory.current", "inactive_file"),
        ("0::/job/step", "sys/fs/cgroup/job", "memory.max", "memory.current", "inactive_file"),
        ("4:cpu,memory:/docker/1", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
         "total_inactive_file"),
    ],
    ids=["version 2", "a group around it", "version 1, of which the container sees the root"],
)  # fmt: skip
def test_a_containers_limit_counts_with_what_it_holds(tmp_path, line, place, limit, usage, droppable):
    group = {f"{place}/{limit}": f"{2 * GIGABYTE}\n", f"{place}/{usage}": f"{GIGABYTE}\n",
             f"{place}/memory.stat": f"anon 5\n{droppable} 300000000\n"}  # fmt: skip
    assert free_bytes(machine(tmp_path, MEMINFO | {"proc/self/cgroup": f"7:pids:/x\n{line}\n"} | group)) == 1.3e9


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_a_group_without_a_limit_takes_nothing_away(tmp_path, limit):
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory.current": "5"}
    assert free_bytes(machine(tmp_path, MEMINFO | files)) == 8_000_000 * 1024


def test_a_group_that_holds_more_than_its_limit_leaves_nothing(tmp_path):
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5", "sys/fs/cgroup/memory.current": "9"}
    assert free_bytes(machine(tmp_path, MEMINFO | files)) == 0


def test_where_nothing_is_said_half_of_what_is_built_in_is_free(tmp_path):
    assert 0 < free_bytes(tmp_path) < 1 << 50


@pytest.mark.parametrize(
    ("limit", "size"),
    [("2GB", 2 * GIGABYTE), ("500mb", 500_000_000), ("1.5 GiB", 3 << 29), ("1000000", 1_000_000), (5e6, 5_000_000)],
)
def test_the_budget_is_set_by_a_size_and_told(limit, size):
    assert cl.memory_limit(limit) == size
    assert cl.memory_limit() == size


def test_the_default_is_half_of_what_is_free(monkeypatch):
    monkeypatch.setattr(settings, "free_bytes", lambda: 6 * GIGABYTE)
    cl.memory_limit("1GB")
    assert cl.memory_limit("auto") == 3 * GIGABYTE


@pytest.mark.bad_input
@pytest.mark.parametrize("limit", ["4", 4, "much", "-2GB", "2XB", True, float("nan"), float("inf"), [1], "1e9"])
def test_what_is_no_size_is_refused(limit):
    with pytest.raises(ArgumentError, match="memory: need a size of at least a million bytes, such as 2GB"):
        cl.memory_limit(limit)


def test_what_fits_the_budget_passes_and_what_does_not_is_refused_with_both_figures():
    cl.memory_limit("2MB")
    need_memory(2_000_000, "x")
    with pytest.raises(MemoryRefused, match=r"x: need 2.01 MB of memory, got a budget of 2 MB; cut it, or allow more"):
        need_memory(2_000_001, "x", "cut it")
    assert issubclass(MemoryRefused, MemoryError)


def test_small_things_are_done_however_little_is_free(monkeypatch):
    monkeypatch.setattr(settings, "free_bytes", lambda: 0)
    assert fits(1e6) and not fits(1e9)


@pytest.mark.parametrize(
    ("make", "subject"),
    [
        (lambda trunk: cl.trunk("resnet18", width=5, device="cpu"), "resnet18: need 1.12 GB of memory"),
        (lambda trunk: cl.classifier(trunk, classes=500_000), "a head of 500,000 classes: need 128 MB of memory"),
        (lambda trunk: cl.localizer(trunk, classes=500_000), "a head of 500,000 classes: need"),
        (lambda trunk: cl.detector(trunk, size=96, classes=20_000), "a head of 20,000 classes: need"),
    ],
)
def test_weights_of_a_new_network_are_stated_before_they_are_made(make, subject):
    trunk = cl.trunk("resnet18", width=1 / 8, device="cpu")
    cl.memory_limit("100MB")
    with pytest.raises(MemoryRefused, match=subject):
        make(trunk)
