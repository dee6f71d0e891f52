import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

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


def test_an_unknown_name_is_an_attribute_error_that_names_the_nearest():
    with pytest.raises(AttributeError, match=r"no attribute 'convolute'; did you mean 'convolve'\?"):
        cl.convolute


def test_a_package_gives_a_module_under_a_modules_name():
    """A function of the same name would hide it: `import convolens.a.b as b` would be the function."""
    names = [module.name for module in walk_packages(cl.__path__, "convolens.") if module.name != "convolens.__main__"]
    modules = {name: import_module(name) for name in names}
    for name, module in modules.items():
        package, _, last = name.rpartition(".")
        assert getattr(import_module(package), last) is module, name
