"""Builds the site: the README, every page of docs and the reference, with search and a dark scheme.

    python docs/make_site.py OUT

The pages lie in the site as in the repository, so that their links hold in both. Warnings are errors; links between
pages, and to headings on them, are checked by Sphinx without a network; of those to files that are no pages, which must
be there, the words stay. `make docs` calls this in an environment of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md")
# The menu: four kinds of pages, by what a reader wants, and what is for those who work on it. Every page but those of
# the reference is in one of them, or the build fails.
PARTS = {
    "Tutorials": ("docs/your-own-pictures", "docs/your-own-detector", "docs/gallery"),
    "How to": (
        "docs/index", "docs/studio", "docs/labels-that-are-wrong", "docs/what-is-unusual",
        "docs/networks-that-hear",
        "docs/similar-pictures", "docs/what-is-familiar",
        "docs/from-one-format-to-another", "docs/your-model-elsewhere",
        "docs/memory", "docs/from-one-picture-to-a-billion", "docs/training-over-machines",
        "docs/predicting-over-machines",
    ),
    "Explanation": (
        "docs/how-the-algorithm-is-chosen", "docs/how-a-convolution-layer-runs", "docs/trunks-taps-receptive-fields",
        "docs/how-a-training-goes", "docs/how-the-detector-works", "docs/what-the-network-looked-at",
        "docs/style-taps-gram", "docs/deviations",
    ),
    "Reference": (
        "docs/reference/index", "docs/reference/commands", "docs/files-read-and-kept", "docs/security",
        "benchmarks/README", "CHANGELOG",
    ),
    "Work on it": (
        "CONTRIBUTING", "ARCHITECTURE", "docs/what-is-promised", "docs/how-it-was-fuzzed", "docs/how-faults-are-tested",
        "docs/faults-in-torch", "SECURITY",
    ),
}  # fmt: skip

CONF = """
project, author, version = "Convolens", "the authors of Convolens", {version!r}
release = version
root_doc = "README"
extensions = ["myst_parser"]
myst_heading_anchors = 4
smartquotes_action = "qe"  # no dashes: two of them begin an option, to be copied
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = html_copy_source = False
html_title = "Convolens " + version
exclude_patterns = ["_build"]
"""
# An option is read at once, and not broken after a hyphen where a phone is narrow.
STYLE = """
#commands td:first-child code { white-space: nowrap; }
"""


def main() -> None:
    """Builds it into the folder that is named."""
    from sphinx.cmd.build import build_main  # here, as checking what is staged needs none of it

    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        code = build_main(["-W", "--keep-going", "-n", "-q", "-b", "html", folder, str(out)])
    if code:
        sys.exit(code)
    print(out / "README.html")


def stage(folder: Path) -> None:
    """Puts the pages, their pictures and Sphinx's configuration into a folder."""
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in PAGES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    (folder / "conf.py").write_text(CONF.format(version=version[1]), "utf-8")
    (folder / "_static").mkdir()
    (folder / "_static" / "site.css").write_text(STYLE, "utf-8")
    for page in folder.rglob("*.md"):
        page.write_text(linked(page, folder), "utf-8")
    readme = folder / "README.md"
    readme.write_text(readme.read_text("utf-8") + menu(folder), "utf-8")


def linked(page: Path, folder: Path) -> str:
    """The page, without links to files that are not on the site: the words stay."""

    def there(found: re.Match[str]) -> str:
        target = found[2].partition("#")[0]
        if not target or "://" in target or target.startswith("mailto:") or (page.parent / target).is_file():
            return found[0]
        inside = (ROOT / page.relative_to(folder)).parent.joinpath(target).resolve()
        if not inside.exists():
            sys.exit(f"{page.relative_to(folder)}: need a link to something that is there, got {found[2]}")
        return found[1][1:-1]

    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", there, page.read_text("utf-8"))


def menu(folder: Path) -> str:
    """The menu of all pages, in parts."""
    pages = {str(page.relative_to(folder).with_suffix("")) for page in folder.rglob("*.md")} - {"README"}
    named = {name for names in PARTS.values() for name in names}
    listed = sorted(name for name in pages - named if name.startswith("docs/reference/"))
    if lost := pages ^ (named | set(listed)):
        sys.exit(f"make_site.py: need each page once in PARTS, got {', '.join(sorted(lost))}")
    parts = {part: (*names, *listed) if part == "Reference" else names for part, names in PARTS.items()}
    trees = (
        f"```{{toctree}}\n:hidden:\n:caption: {part}\n\n" + "\n".join(names) + "\n```\n"
        for part, names in parts.items()
    )
    return "\n\n" + "\n".join(trees)


if __name__ == "__main__":
    main()
