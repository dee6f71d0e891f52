"""The page on formats says of each what it carries, as the code has it."""

from pathlib import Path
from typing import get_args

from convolens.data.format import Carried
from convolens.data.formats import FORMATS

PAGE = Path(__file__).parents[3] / "docs" / "from-one-format-to-another.md"


def test_the_table_of_what_formats_carry_is_theirs():
    lines = PAGE.read_text("utf-8").partition("## What each format carries")[2].partition("\n## ")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    found = {name: set() for name in head[1:]}
    for what, *marks in rows:
        for name, mark in zip(head[1:], marks, strict=True):
            if mark == "✓":
                found[name].add(what.rpartition("(`")[2].rstrip("`)"))
    assert found == {form.name: set(form.carries) for form in FORMATS if form.write}
    assert {row[0].rpartition("(`")[2].rstrip("`)") for row in rows} == set(get_args(Carried))
