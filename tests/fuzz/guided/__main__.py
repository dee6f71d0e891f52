"""Coverage-guided fuzzing of our own parsers, by atheris: `make fuzz-parsers MINUTES=20`.

    python -m tests.fuzz.guided CORPUS -max_total_time=60

Files of every kind are put into the corpus first. libFuzzer's options follow; what ends it is written to a file of its
own, which the command then takes to see it again.
"""

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["convolens"]):
    from tests.fuzz.guided.targets import TARGETS, one
from tests.fuzz.guided.seeds import seeds


def main() -> None:
    """Runs until the time is up, or the first finding."""
    warnings.simplefilter("ignore")  # notes, and what Pillow says of odd files
    corpus = Path(sys.argv[1])
    if not corpus.is_file():
        corpus.mkdir(parents=True, exist_ok=True)
        for number, (target, data) in enumerate(seeds()):
            (corpus / f"seed-{number}").write_bytes(bytes([TARGETS.index(target)]) + data)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
