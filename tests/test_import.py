import subprocess
import sys

import pytest

import convolens as cl


def modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(out.stdout.split())


def test_importing_the_package_loads_neither_torch_nor_scipy():
    loaded = modules_after("import convolens")
    assert "convolens" in loaded
    assert not loaded & {"torch", "scipy", "matplotlib", "PIL"}


def test_every_public_name_can_be_reached():
    for name in cl.__all__:
        assert getattr(cl, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'convolute'"):
        cl.convolute
