import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-the-algorithm-is-chosen.md"


def test_the_examples_of_the_page_run():
    assert doctest.testfile(str(PAGE), module_relative=False).attempted >= 4
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0
