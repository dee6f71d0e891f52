"""The site's pages: all of the repository's, each in the menu, with links that lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("make_site", ROOT / "docs" / "make_site.py")
make_site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_site)


def test_every_page_is_in_the_menu_once_and_links_lead_to_pages(tmp_path):
    make_site.stage(tmp_path)
    menu = (tmp_path / "README.md").read_text("utf-8").partition("```{toctree}")[2]
    pages = sorted(str(page.relative_to(tmp_path))[:-3] for page in tmp_path.rglob("*.md"))
    assert sorted(line for line in menu.splitlines() if f"{line}.md" in {f"{page}.md" for page in pages}) == [
        page for page in pages if page != "README"
    ]


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path):
    (tmp_path / "README.md").write_text("[words](nowhere.md)", "utf-8")
    with pytest.raises(SystemExit, match=r"README\.md: need a link to something that is there, got nowhere\.md"):
        make_site.linked(tmp_path / "README.md", tmp_path)


def test_the_citation_is_of_this_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
