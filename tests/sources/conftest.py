import fsspec
import pytest

from convolens.sources import blocks, retries


@pytest.fixture
def store():
    """fsspec's store in memory, empty, at `memory://`."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    blocks._kept.clear()
    yield files
    files.store.clear()
    blocks._kept.clear()


@pytest.fixture
def impatient(monkeypatch):
    """Waits that are short."""
    monkeypatch.setattr(retries, "WAITS", (0.0, 0.0, 0.001))
