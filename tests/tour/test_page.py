import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup

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
        show=show or (lambda made: [Markup("<p>{}</p>").format(made["doubled"])]),
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


def test_a_section_over_its_budget_says_so_in_the_terminal_and_not_to_readers(tmp_path):
    late, early = visit(section(budget=0), tmp_path), visit(section(), tmp_path)
    assert late.summary().endswith("over its budget")
    assert "over its budget" not in early.summary()
    text = page([late], seconds=1.0)
    assert f"Computed in {late.seconds:.1f} s." in text
    assert "budget" not in text


def label_places(marks, size):
    """What a page says of where labels are: text, side it is fixed to, distance from there and from the top."""
    html = figures.picture(np.zeros(size, np.uint8), "", describe="", marks=marks)
    found = re.findall(r'class="mark" style="(left|right):([\d.]+)%;top:([\d.]+)%">([^<]*)<', html)
    assert html.count('class="mark"') == len(found)
    return {text: (side, float(x), float(y)) for side, x, y, text in found}


def test_a_label_is_above_its_box_or_where_that_leaves_the_picture_below_it():
    box = (20, 40, 60, 60)
    side, x, y = label_places([figures.Marked(box, "3")], (100, 200))["3"]
    assert (side, x) == ("left", 10)
    assert y < 40
    assert label_places([figures.Marked((20, 0, 60, 60), "3")], (100, 200))["3"] == ("left", 10, 60)
    assert label_places([figures.Marked((150, 40, 190, 60), "3")], (100, 200))["3"][:2] == ("right", 5)


def test_a_box_as_high_as_the_picture_has_its_label_within():
    _, _, y = label_places([figures.Marked((20, 0, 60, 100), "3")], (100, 100))["3"]
    assert 0 <= y < 100


def test_labels_of_boxes_side_by_side_do_not_cover_one_another():
    marks = [figures.Marked((10, 40 + shift, 30, 60), name) for shift, name in enumerate(("one", "two", "six"))]
    tops = sorted(y for _, _, y in label_places(marks, (100, 100)).values())
    assert np.diff(tops).min() > 7  # percent, of a picture 250 pixels high: a line of text


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (4, 4), (5, 5), (6, 3), (8, 4)])
def test_a_row_has_lines_of_equal_length(count, columns):
    assert f'style="--columns:{columns}"' in figures.row(*[Markup("<figure></figure>")] * count)


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


def test_what_a_section_shows_is_escaped_unless_a_template_made_it(tmp_path):
    hostile = "<script>alert(1)</script>"

    def show(made):
        gray = np.zeros((8, 8), np.uint8)
        marks = [figures.Marked((1, 1, 3, 4), hostile)]
        return [
            hostile,
            figures.picture(gray, hostile, describe=hostile, marks=marks),
            figures.layered(gray, {hostile: gray}, hostile, describe=hostile),
            figures.sheet([gray], hostile, describe=hostile),
            figures.sound(np.zeros(800), 8000, hostile),
            figures.table([hostile], [[hostile, hostile]], hostile),
            figures.confusion(np.ones((1, 1), int), [hostile], hostile),
            figures.numbers({hostile: hostile}),
            figures.named(hostile, hostile),
        ]

    text = page([visit(section(show=show), tmp_path)], seconds=1.0)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 23
