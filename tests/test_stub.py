"""The types that editors and checkers see are of the functions that run."""

import ast
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

import pytest

import convolens as cl
import convolens.layers

PACKAGES = {package.__name__: package for package in (cl, convolens.layers)}


def stub_of(package):
    return ast.parse(Path(package.__file__).with_suffix(".pyi").read_text("utf-8"))


def imported(package):
    """Of names that the stub takes from elsewhere: name → where it is."""
    return {
        name.asname: (node.module, name.name)
        for node in stub_of(package).body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.asname
    }


def defined(package):
    return [node for node in stub_of(package).body if isinstance(node, ast.FunctionDef)]


def stated(function):
    """Of each parameter of a function in a stub: its kind and its default."""
    named, keywords = function.args.args, function.args.kwonlyargs
    defaults = [None] * (len(named) - len(function.args.defaults)) + function.args.defaults
    return {
        parameter.arg: (kind, ast.literal_eval(default) if default else Parameter.empty)
        for kind, parameters, values in (
            (Parameter.POSITIONAL_OR_KEYWORD, named, defaults),
            (Parameter.KEYWORD_ONLY, keywords, function.args.kw_defaults),
        )
        for parameter, default in zip(parameters, values, strict=True)
    }


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_the_stub_has_the_public_names_and_no_others(package):
    values = {node.target.id for node in stub_of(package).body if isinstance(node, ast.AnnAssign)}
    assert {node.name for node in defined(package)} | set(imported(package)) | values == set(package.__all__)


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_what_the_stub_imports_is_what_runs(package):
    for name, (module, there) in imported(package).items():
        assert getattr(import_module(module), there) is getattr(package, name), name


@pytest.mark.parametrize(
    ("package", "function"),
    [(package, function) for package in PACKAGES.values() for function in defined(package)],
    ids=lambda one: getattr(one, "name", getattr(one, "__name__", "")),
)
def test_a_function_has_the_parameters_and_defaults_that_the_stub_says(package, function):
    running = {
        name: (one.kind, one.default) for name, one in signature(getattr(package, function.name)).parameters.items()
    }
    said = stated(function)
    if function.name == "max_pool2d" and said["return_argmax"][1] is Parameter.empty:
        del said["return_argmax"], running["return_argmax"]  # where True is asked for, it is given
    assert said == running
