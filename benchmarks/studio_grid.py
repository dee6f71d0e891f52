"""The studio's grid over many small pictures: the first page, every order, memory while scrolling, and many at once.

    python -m benchmarks.studio_grid [--pictures 100000] [--clients 50] [--seconds 60] [--folder FOLDER]

Pictures of 32 by 32 in ten classes are drawn into FOLDER/pictures, once; the studio runs in a process of its own, those
who ask in another. Bounded: clients and seconds as given, one request of each at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import numpy as np
from PIL import Image

CLASSES = 10
ORDERS = ("number", "wrong", "alike", "findings", "side", "mistake", "unsure", "differ")
TRIES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ask", metavar="ADDRESS", help=argparse.SUPPRESS)  # the second process
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(crowd(options.ask, options.clients, options.seconds, options.pictures)))
        return
    folder = options.folder or Path(tempfile.mkdtemp())
    drawn(folder / "pictures", options.pictures)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors, {options.pictures:,} pictures")
    with studio(folder) as (address, process):
        with httpx.Client(follow_redirects=True, timeout=600, headers={"origin": address.partition("/?")[0]}) as client:
            client.get(address)
            base = address.partition("/?")[0]
            where = str(client.post(f"{base}/look", data={"path": "pictures"}).url)
            read(client, where)
            invent(folder, options.pictures)
            alone(client, where, process.pid, options.pictures)
        command = [sys.executable, "-m", "benchmarks.studio_grid", "--ask", f"{address} {where}"]
        command += ["--clients", str(options.clients), "--seconds", str(options.seconds)]
        command += ["--pictures", str(options.pictures)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    told = f"{found['count']:,} answers, {found['errors']} errors, median {found['median']:.0f} ms"
    print(f"{options.clients} clients for {options.seconds:.0f} s: {told}, 99th percentile {found['p99']:.0f} ms")


def drawn(folder: Path, count: int) -> None:
    """Small pictures in folders of classes, unless they are there."""
    if folder.exists():
        return
    rng = np.random.default_rng(0)
    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
    for at in range(count):
        pixels = np.kron(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(pixels).save(folder / f"class{at % CLASSES}" / f"{at:06d}.jpg", quality=85)


@contextmanager
def studio(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The studio's address with its token, and its process."""
    command = [sys.executable, "-m", "convolens", "studio", str(folder), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(60)


def read(client: httpx.Client, where: str) -> None:
    """Waits until the data is read, and says how long the first pictures and all of them took."""
    begin, first = time.perf_counter(), None
    while True:
        text = client.get(where).text
        if first is None and '<li class="card' in text:
            first = time.perf_counter() - begin
            took, _ = timed(lambda: client.get(where))
            print(f"first pictures {first:.1f} s after opening; a page while it is read: {took:.0f} ms")
        if 'id="state"' in text and 'role="status"' not in text.partition("filters panel")[0]:
            break
        time.sleep(0.5)
    print(f"all read {time.perf_counter() - begin:.0f} s after opening")


def invent(folder: Path, count: int) -> None:
    """Predictions of two models, findings and suspects, as jobs would have found them."""
    from convolens.studio.database import Database

    rng, database = random.Random(0), Database(folder / ".studio")
    with database.reading() as connection:
        rows = connection.execute("SELECT id, labels FROM pictures").fetchall()
    for model in (1, 2):
        said = []
        for id_, labels in rows:
            truth, score = json.loads(labels)[0], rng.random()
            label = truth if rng.random() < 0.9 else rng.randrange(CLASSES)
            found = json.dumps({"others": [[f"class{label}", score]], "objects": []})
            said.append((model, id_, f"class{label}", score, 1 - score, -1.0 if label == truth else score, found))
        for start in range(0, count, 2000):
            with database.writing() as connection:
                known = (model, f"{folder}/model{model}")
                connection.execute("INSERT OR IGNORE INTO models (id, path, data) VALUES (?, ?, 1)", known)
                some = said[start : start + 2000]
                connection.executemany("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", some)
    with database.writing() as connection:
        connection.execute(
            "UPDATE pictures SET wrong = (id * 7919 % 1000) / 1000.0, alike = iif(id % 10 = 0, id, 0), "
            "findings = id % 3"
        )


def alone(client: httpx.Client, where: str, process: int, count: int) -> None:
    """One who looks: the first grid with its thumbnails, every order, and a scroll through all of it."""
    took, page = timed(lambda: client.get(where))
    pictures = re.findall(r'src="(/look/[^"]*thumbnails[^"]*)"', page.text)
    base = where.partition("/look")[0]
    thumbnails, _ = timed(lambda: [client.get(base + one.replace("&amp;", "&")) for one in pictures])
    print(f"first grid {took:.0f} ms, its {len(pictures)} thumbnails made {thumbnails:.0f} ms")
    for order in ORDERS:
        times = [
            timed(lambda order=order: client.get(f"{where}?model=1&beside=2&order={order}"))[0] for _ in range(TRIES)
        ]
        print(f"sorted by {order}: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms")
    for query in ("label=class3", "label=class3&model=1&predicted=class5", "smallest=20&largest=40&order=wrong"):
        times = [timed(lambda query=query: client.get(f"{where}?{query}"))[0] for _ in range(TRIES)]
        print(f"filtered by {query}: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms")
    before = memory(process)
    times = []
    for start in range(0, count, max(60, count // 400)):
        took, page = timed(lambda start=start: client.get(f"{where}/cards?start={start}"))
        times.append(took)
        for one in re.findall(r'src="(/look/[^"]*thumbnails[^"]*)"', page.text)[::6]:
            client.get(base + one.replace("&amp;", "&"))
    print(f"scrolled through {len(times)} pages: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms; "
          f"memory of the studio {before:.0f} MB before, {memory(process):.0f} MB after")  # fmt: skip


def crowd(address: str, clients: int, seconds: float, count: int) -> dict[str, float]:
    """Many who look at once, each asking for one thing after another."""
    printed, where = address.split(" ")
    times: list[float] = []
    errors: list[str] = []
    end = time.monotonic() + seconds

    def one(seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(follow_redirects=True, timeout=120) as client:
            client.get(printed)
            while time.monotonic() < end:
                order = rng.choice(ORDERS[:7])
                kind = rng.random()
                target = f"{where}/cards?model=1&order={order}&start={rng.randrange(count) // 60 * 60}"
                if kind < 0.2:
                    target = f"{where}?model=1&order={order}"
                elif kind < 0.7:
                    target = f"{where}/thumbnails/{rng.randrange(1, count)}"
                try:
                    took, answer = timed(lambda target=target: client.get(target))
                    times.append(took)
                    if answer.status_code != 200:
                        errors.append(f"{answer.status_code} {target}")
                except httpx.HTTPError as error:
                    errors.append(f"{error} {target}")

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        print(errors[:3], file=sys.stderr)
    cuts = statistics.quantiles(times, n=100)
    return {"count": len(times), "errors": len(errors), "median": statistics.median(times), "p99": cuts[98]}


def timed(act: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds, and what came of it."""
    begin = time.perf_counter()
    found = act()
    return 1e3 * (time.perf_counter() - begin), found


def memory(process: int) -> float:
    """What a process holds, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


if __name__ == "__main__":
    main()
