"""Lines through the command line, in this process: an exit code, a sentence, and never a traceback."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from tempfile import mkdtemp

from convolens.cli import run
from tests.fuzz.form import Command, Refused

CODES = (0, 1, 2)
WORDS = ("error: ", "skipped: ", "gone: ", "failed: ")  # which a line that says why begins with


def run_command(command: Command, given: Path, folder: Path) -> None:
    """Runs a line on what was put there; its results go into a folder that is gone afterwards.

    Raises:
        Refused: it ends with exit code 2, having said why.
        AssertionError: an exit code that the command line does not have, or a refusal without a word.
    """
    out = Path(mkdtemp(dir=folder))
    stdout, stderr = io.StringIO(), io.StringIO()
    words = [str(word) for word in command(given, out)]
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            code = run(words)
    except BaseException as error:
        error.add_note(" ".join(words))
        raise
    finally:
        shutil.rmtree(out, ignore_errors=True)
    said = stderr.getvalue()
    assert code in CODES, f"{words}: exit code {code}"
    assert "Traceback" not in said + stdout.getvalue(), f"{words}: {said}"
    if code == 2:
        refusals = [line for line in said.splitlines() if line.startswith(WORDS)]
        assert refusals, f"{words}: exit code 2 and no word of why: {said!r:.300}"
        raise Refused(refusals[0])
    assert code == 0 or words[0] == "doctor", f"{words}: exit code {code}"
