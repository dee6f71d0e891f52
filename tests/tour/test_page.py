import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from convolens.cli import run
from convolens.errors import ArgumentError
from convolens.pages import figures
from convolens.tour import choose
from convolens.tour.guide import visit
from convolens.tour.page import page
from convolens.tour.section import Section

VOID = {"meta", "link", "img", "br", "input"}


def section(python="doubled = 2 * 21", *, name="sum", budget=60, prepare=lambda: None, show=None):
    return Section(
        name=name,
        title="A sum & more",
        prose="Twice.\n\nAnd again.",
        commands=("convolens --version",),
        python=python,
        prepare=prepare,
        show=show or (lambda made: [f"<p>{made['doubled']}</p>"]),
        budget_seconds=budget,
    )


class Tags(HTMLParser):
    """Collects every tag's attributes and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_lines_shown_are_the_lines_that_run(tmp_path):
    visited = visit(section("doubled = 2 * 21\nopen('made.txt', 'w').close()"), tmp_path)
    assert visited.figures == ["<p>42</p>"]
    assert (tmp_path / "made.txt").exists()
    text = page([visited], seconds=1.0)
    assert "doubled = 2 * 21" in text
    assert '<span class="word">--version</span>' in text


def test_a_section_runs_in_the_folder_and_the_caller_stays_where_he_was(tmp_path):
    before = Path.cwd()
    visit(section(prepare=lambda: Path("input.txt").touch()), tmp_path)
    assert (tmp_path / "input.txt").exists()
    assert Path.cwd() == before


def test_a_failing_section_says_so_and_keeps_the_others(tmp_path):
    visits = [visit(section("doubled = 1 / 0", name="bad"), tmp_path), visit(section(), tmp_path)]
    assert isinstance(visits[0].failure, ZeroDivisionError)
    assert "FAILED: ZeroDivisionError: division by zero" in visits[0].summary()
    text = page(visits, seconds=1.0)
    assert "This section failed." in text
    assert "division by zero" in text
    assert "<p>42</p>" in text


def test_a_section_over_its_budget_says_so(tmp_path):
    late, early = visit(section(budget=0), tmp_path), visit(section(), tmp_path)
    assert late.summary().endswith("over its budget")
    assert "over its budget" in page([late], seconds=1.0)
    assert "over its budget" not in page([early], seconds=1.0)


def test_the_page_is_well_formed_and_fetches_nothing(tmp_path):
    def show(made):
        tone = np.sin(np.arange(8000) / 5)
        gray = np.zeros((8, 8), np.uint8)
        marks = [figures.Marked((1, 1, 3, 4), "<tap>")]
        return [
            figures.row(
                figures.picture(gray, "Dark.", describe='a "dark" square', marks=marks),
                figures.sound(tone, 8000, "A tone."),
            ),
            figures.sheet([gray, gray], "Two.", describe="dark squares"),
            figures.confusion(np.array([[3, 1], [0, 4]]), ["a", "<b>"], "Counts."),
            figures.table(["", "size"], [["conv1_1", 3]], "Sizes."),
            figures.numbers({"97%": "of crops"}),
        ]

    text = page([visit(section(show=show), tmp_path)], seconds=1.0)
    tags = Tags(text)
    for name, value in tags.attributes:
        if name in ("src", "href"):
            assert value.startswith(("data:", "#"))
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    assert "A sum &amp; more" in text
    assert "&lt;b&gt;" in text


def test_a_drawn_waveform_follows_the_loudness():
    samples = np.concatenate([np.zeros(4800), np.tile([0.5, -0.5], 2400)])
    path = re.search(r'<path d="M([^"]+)Z"', figures.sound(samples, 8000, "")).group(1)
    heights = np.array([point.split() for point in path.split("L")], float)
    upper = heights[: len(heights) // 2, 1]
    assert upper[:230].min() > 35
    np.testing.assert_allclose(upper[245:], 36 - 0.4 - 18, atol=0.11)


def test_sections_are_chosen_by_name_in_the_tours_order():
    everything = choose()
    assert choose([everything[-1].name, everything[0].name]) in {(everything[0], everything[-1]), everything}
    with pytest.raises(ArgumentError, match=r"section: need one of sound.*, got 'nothing'"):
        choose(["nothing"])


def test_section_names_are_addresses_of_their_own():
    names = [section.name for section in choose()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+", name) for name in names)


def test_an_unknown_section_is_exit_code_2(capsys, tmp_path):
    assert run(["tour", "--out", str(tmp_path), "--only", "nothing"]) == 2
    assert "error: section: need one of" in capsys.readouterr().err
