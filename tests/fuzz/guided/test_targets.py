"""What the coverage-guided fuzzing begins with: whole files are read, damaged ones are answered."""

import pytest

from convolens.errors import ConvolensError
from tests.fuzz.guided import targets
from tests.fuzz.guided.seeds import seeds

SEEDS = [pytest.param(target, data, id=f"{target.__name__}-{at}") for at, (target, data) in enumerate(seeds())]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("target", "data"), SEEDS)
def test_a_whole_file_is_read_and_every_beginning_of_it_answered(target, data):
    if target is not targets.shards:  # whose parts are not there
        target(data)
    for end in range(0, len(data), max(len(data) // 20, 1)):
        targets.one(bytes([targets.TARGETS.index(target)]) + data[:end])


def test_what_is_no_typed_error_ends_the_fuzzing(monkeypatch):
    def spoiled(data):
        raise KeyError(data)

    monkeypatch.setattr(targets, "TARGETS", (spoiled,))
    with pytest.raises(KeyError):
        targets.one(b"\0a")

    def typed(data):
        raise ConvolensError("a")

    monkeypatch.setattr(targets, "TARGETS", (typed,))
    targets.one(b"\0a")
