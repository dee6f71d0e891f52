"""Templates filled: all that is put into them is escaped, unless it is `Markup`, which a template has made."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

OWN = "convolens.pages"


@cache
def environment(package: str = OWN) -> Environment:
    """The templates of a package, and those of pages, which they may extend and import.

    A name that a template has and does not get is an error.

    Args:
        package: with a folder `templates`.
    """
    packages = dict.fromkeys((package, OWN))
    return Environment(
        loader=ChoiceLoader([PackageLoader(one) for one in packages]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def filled(template: str, /, package: str = OWN, **values: object) -> Markup:
    """A template with its values."""
    return Markup(environment(package).get_template(template).render(**values))


def fragment(template: str, macro: str, /, *values: object, package: str = OWN) -> Markup:
    """A macro of a template, called."""
    made = getattr(environment(package).get_template(template).module, macro)(*values)
    return Markup(made.strip())


def own_text(package: str, name: str) -> Markup:
    """A style sheet, a script or a drawing of a package's own, to stand in a page as it is."""
    return Markup((files(package) / name).read_text(encoding="utf-8"))
