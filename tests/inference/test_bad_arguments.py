"""What the functions on many files refuse before they begin."""

import pytest

import convolens as cl
from convolens.errors import ArgumentError, FileError
from tests.fuzz.right import network, place

WRONG = [
    ({"sources": "photos"}, "sources: need a list of files, folders, patterns or addresses, got str"),
    ({"sources": [1]}, "sources: need files, folders, patterns or addresses, got int"),
    ({"out": 2.0}, "out: need a (folder|table), got float"),
    ({"batch": 0}, "batch: need a whole number of at least 1, got 0"),
    ({"progress": "yes"}, "progress: need True or False, got 'yes'"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize("function", [cl.predict_files, cl.features_of_files])
@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_arguments_that_are_none_are_refused_in_a_sentence(function, wrong, said):
    right = {"sources": [place() / "a.png"], "out": place() / "new.npz", "batch": 2, "progress": False}
    with pytest.raises(ArgumentError, match=said):
        function(network(), **(right | wrong))


@pytest.mark.bad_input
def test_a_name_that_no_file_has_is_refused():
    with pytest.raises(FileError, match="need a name that a file can have"):
        cl.predict_files(network(), ["a\0b"], place() / "new")
