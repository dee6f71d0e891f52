"""Runs whose workers and drivers are killed while they are at it; and one that needs neither torch nor a model.

    python -m tests.clusters.killing PATTERN OUT

The lines of a picture are its bytes' digest. A picture takes a hundredth of a second, in which nothing is computed, so
that what is killed is at work and not starting.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from convolens.clusters.blocks import BlockFiles
from convolens.clusters.ray_workers import Cluster
from convolens.clusters.running import in_lines
from convolens.media.found_pictures import find_closed
from convolens.media.picture_opening import contents

# Ray's workers have a niceness of 15, of which nothing is left where others use the machine.
ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}

RAY_IS_LATE = "within the 30 seconds that it gives itself"


class Digests:
    """What is to become of pictures."""

    def begin(self):
        return self._lines

    def _lines(self, files):
        for one in files:
            time.sleep(0.01)
            yield {"path": str(one), "digest": hashlib.sha256(contents(one)[1]).hexdigest()}


def main(pattern, out):
    files = BlockFiles(Path(out) / "blocks")
    items = ((one, is_shard) for one, is_shard in find_closed([pattern], outside=Path(out)))
    run = in_lines(Cluster("local", 2), Digests(), items, files, batch=16, key="", total=None, progress=False)
    (Path(out) / "lines.part").write_bytes(b"".join(files.lines(run.names)))
    (Path(out) / "lines.part").rename(Path(out) / "lines")
    files.remove()


def blocks_in(out):
    return list((out / "blocks").glob("*.jsonl"))


def run_killing(command, out, *, workers=0, after=None, seed=0, seconds=500):
    """Runs a command; kills so many workers, or the driver once there are so many blocks. Gives the kills of workers.

    A worker is killed some moments after a block was done since the last kill: else all kills would fall on workers
    that are starting, and ten on one block end the run.
    """
    chance, kills, ripe, blocks = random.Random(seed), 0, None, -1
    until = time.monotonic() + seconds
    while True:
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT) as driver:
            while driver.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
                there = len(blocks_in(out))
                if after is not None and there >= after:
                    driver.kill()
                if kills == workers:
                    continue
                if ripe is None and there > blocks:
                    ripe = time.monotonic() + chance.random()
                if ripe is not None and time.monotonic() > ripe and (busy := actors(driver.pid)):
                    os.kill(chance.choice(busy), signal.SIGKILL)
                    kills, ripe, blocks = kills + 1, None, there
            driver.kill()
            told = driver.stderr.read().decode()
        if RAY_IS_LATE not in told:  # the machine was busy, and nothing has begun
            break
    assert driver.returncode == (0 if after is None else -signal.SIGKILL), told[-1500:]
    return kills


def actors(driver):
    """The processes of a driver's actors."""
    found, below = [], {driver}
    processes = sorted(int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())
    for process in processes:
        try:
            parent = int((Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
            title = (Path("/proc") / str(process) / "cmdline").read_text()
        except OSError:
            continue
        if parent in below:
            below.add(process)
            found += [process] if title.startswith("ray::_Worker") else []
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
