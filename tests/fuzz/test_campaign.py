"""The campaign on a few cases of each kind: none may be a finding, and a finding must be seen."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def campaign(*options, code="from tests.fuzz.campaign import main; raise SystemExit(main())"):
    command = [sys.executable, "-c", code, "--minutes", "5", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_few_cases_of_each_kind_give_no_finding(tmp_path):
    done = campaign("--cases", "42", "--seed", "7", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.split() for line in done.stdout.splitlines()[-7:]]
    assert sum(int(row[-7]) for row in table) == 42
    assert all(int(row[-5]) > 0 for row in table)  # typed errors, of every kind
    assert not list(tmp_path.iterdir())


BROKEN = """
import os, time
from pathlib import Path
from tests.fuzz import campaign, formats

COUNT = Path(__file__).with_name("count")
before, campaign.HANG_SECONDS = campaign.work, 1

def read(path):
    count = int(COUNT.read_text())
    COUNT.write_text(str(count + 1))
    if count == 0: raise KeyError("a")
    if count == 1: raise AssertionError
    if count == 2: time.sleep(60)
    if count == 3: os._exit(3)

def work(*given):  # its process imports this module to find it
    before(*given)

campaign.work = work
form = formats.FORMATS["text kernel"]
formats.FORMATS["text kernel"] = formats.Format(form.suffix, form.seeds, form.change, read)
"""


def test_every_kind_of_finding_is_seen_and_kept(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "count").write_text("0")
    code = (
        f"import sys; sys.path[:0] = ['.', {str(tmp_path)!r}]; import broken; raise SystemExit(broken.campaign.main())"
    )
    done = campaign("--cases", "5", "--only", "text kernel", "--keep", str(tmp_path / "kept"), code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("text kernel")).split()
    assert row[2:] == ["5", "1", "0", "1", "1", "1", "1"], done.stdout
    assert len(list((tmp_path / "kept").iterdir())) == 2
