"""Workers and drivers of Ray that are killed: each picture is in the result once, as in a run that nothing disturbed.

`KILLS` and `DRIVER_KILLS` say how often; skipped where Ray is not installed (`pip install ray`).
"""

import hashlib
import json
import os
import sys

import pytest

from tests.clusters.killing import blocks_in, run_killing
from tests.sources.making import write_tar

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="needs Ray, of the extra cluster")

KILLS, DRIVER_KILLS = int(os.environ.get("KILLS", "10")), int(os.environ.get("DRIVER_KILLS", "3"))
EACH = 100  # pictures of a shard: of so many that a run is not over before the last kill


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Shards, twice as many as there are kills, of files that nobody decodes."""
    folder = tmp_path_factory.mktemp("data")
    for shard in range(2 * KILLS):
        write_tar(folder / f"{shard:03}.tar", [(f"{at:03}.png", f"{shard} {at}".encode()) for at in range(EACH)])
    return folder


def command(data, out):
    return [sys.executable, "-m", "tests.clusters.killing", str(data / "*.tar"), str(out)]


def need_each_once(data, out):
    """The lines of a run that nothing disturbed, in order."""
    found = [json.loads(line) for line in (out / "lines").read_bytes().splitlines()]
    assert found == [
        {"path": f"{data}/{shard:03}.tar/{at:03}.png", "digest": hashlib.sha256(f"{shard} {at}".encode()).hexdigest()}
        for shard in range(2 * KILLS)
        for at in range(EACH)
    ]
    assert not (out / "blocks").exists()


def test_workers_that_are_killed_cost_their_blocks_alone(data, tmp_path):
    assert run_killing(command(data, tmp_path), tmp_path, workers=KILLS, seconds=60 * KILLS) == KILLS
    need_each_once(data, tmp_path)


def test_a_driver_that_is_killed_goes_on_where_it_was(data, tmp_path):
    done = []
    for _ in range(DRIVER_KILLS):
        run_killing(command(data, tmp_path), tmp_path, after=len(blocks_in(tmp_path)) + 1)
        done.append(len(blocks_in(tmp_path)))
    assert done == sorted(set(done)) and done[-1] < 2 * KILLS
    run_killing(command(data, tmp_path), tmp_path)
    need_each_once(data, tmp_path)
