"""S3 for real: a server that speaks its protocol, in front of it one that spoils answers, and what comes of it.

    python -m tests.sources.s3 [--pictures 20000] [--shards 20] [--kinds files shards] [--faults s3 503 slow cut all]

Needs s3fs beside the package, and `moto[server]` there or, as both may want releases of botocore of their own, beside
the Python of another environment (`--server`). Pictures are made as single files and as tar shards, lie in a bucket
(`s3_server.py`), are predicted for from there and to there; what comes of it is compared to the byte, sorted, with a
run on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sources.making import png, write_tar

BUCKET = "photos"


class Spoiler(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the server; of some, answers 503, waits, or cuts the answer off in the middle."""

    server_at = ""
    spoil = {"503": 0.0, "slow": 0.0, "cut": 0.0}  # noqa: RUF012 - set by `main`
    counts = {"served": 0, "503": 0, "slow": 0, "cut": 0}  # noqa: RUF012
    protocol_version = "HTTP/1.1"
    chance = random.Random(0)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _hand_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        fate = self.chance.random()
        kind = next((kind for kind in self.spoil if (fate := fate - self.spoil[kind]) < 0), "served")
        self.counts[kind] += 1
        if kind == "503":
            return self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        if kind == "slow":
            time.sleep(1)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        headers.setdefault("Content-Type", "application/octet-stream")  # else urllib calls what is posted a form
        request = urllib.request.Request(f"{self.server_at}{self.path}", body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                status, got, data = answer.status, answer.headers.items(), answer.read()
        except urllib.error.HTTPError as error:
            status, got, data = error.code, error.headers.items(), error.read()
        return self._answer(status, got, data, cut=kind == "cut" and self.command == "GET" and len(data) > 1)

    def _answer(self, status: int, headers: object, data: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:  # type: ignore[attr-defined]
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", len(data)) if self.command == "HEAD" else len(data)  # type: ignore[call-overload]
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _hand_on  # noqa: N815


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def serving(python: str, folder: Path) -> Iterator[tuple[str, str]]:
    """moto's server with a folder's files, and the spoiler in front of it; yields both addresses."""
    port = free_port()
    command = [python, "-m", "tests.sources.s3_server", str(port), BUCKET, str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        Spoiler.server_at = f"http://127.0.0.1:{port}"
        spoiler = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Spoiler)
        threading.Thread(target=spoiler.serve_forever, daemon=True).start()
        yield Spoiler.server_at, f"http://127.0.0.1:{spoiler.server_address[1]}"
        spoiler.shutdown()
    finally:
        server.terminate()
        server.wait()


def make(folder: Path, count: int, shards: int) -> None:
    """The same pictures as files and as shards."""
    for shard in range(shards):
        files = []
        for number in range(shard * count // shards, (shard + 1) * count // shards):
            pixels = png(number % 251, (24 + number % 7, 32))
            files.append((f"{number:06}.png", pixels))
        (folder / "files" / f"{shard:02}").mkdir(parents=True)
        for name, data in files:
            (folder / "files" / f"{shard:02}" / name).write_bytes(data)
        (folder / "shards").mkdir(exist_ok=True)
        write_tar(folder / "shards" / f"{shard:02}.tar", files)


def predict(source: str, out: Path | str, endpoint: str | None = None, **settings: str) -> tuple[int, float, str]:
    """One command, in a process of its own: its exit code, seconds, and what it said."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    places = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    program = (
        "import sys; from tests.sources.s3 import Mean; from convolens.inference.predict import predict_files\n"
        "found = predict_files(Mean(), [sys.argv[1]], sys.argv[2], batch=64, pictures=False, progress=False)\n"
        "print(found.done, found.failed, found.before); sys.exit(2 if found.failed else 0)"
    )
    began = time.monotonic()
    run = subprocess.run([sys.executable, "-c", program, source, str(out)], capture_output=True, text=True,
                         env={**os.environ, **keys, **places, **settings}, check=False)  # fmt: skip
    return run.returncode, time.monotonic() - began, (run.stdout + run.stderr).strip()[-400:]


class Mean:
    """The cheapest model that there is, so that what is measured is reading."""

    task = "localize"

    def __new__(cls) -> object:
        """A torch module, for its fingerprint."""
        from tests.inference.test_predict import Finder

        return Finder()


def lines(text: str, root: str) -> list[str]:
    return sorted(text.replace(root, "").splitlines())


# What the server in front does: a share of the requests each. Shards are few requests, of which more are spoiled.
FAULTS = {
    "s3": {},
    "503": {"503": 0.05},
    "slow": {"slow": 0.01},
    "cut": {"cut": 0.05},
    "all": {"503": 0.05, "slow": 0.01, "cut": 0.05},
}
OFTEN = {"files": 1, "shards": 6}


def main() -> None:
    """Makes, serves, predicts, compares; prints a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--server", default=sys.executable, help="the Python that has moto")
    parser.add_argument("--kinds", nargs="+", choices=OFTEN, default=list(OFTEN))
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--results", nargs="+", choices=("here", "there"), default=["here", "there"])
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root / "made", wanted.pictures, wanted.shards)
        with serving(wanted.server, root / "made") as (plain, spoiled):
            import s3fs

            store = s3fs.S3FileSystem(key="testing", secret="testing", endpoint_url=plain)
            for kind in wanted.kinds:
                compare(kind, wanted.faults, wanted.results, root, store, plain, spoiled)
            refused(wanted.kinds[0], root, plain, spoiled)


def compare(kind: str, faults: list[str], results: list[str], root: Path, store: Any, plain: str, spoiled: str) -> None:
    """Predicts near, and from the store with each fault, results here or there too; they must be those of near."""
    pattern = "/*.tar" if kind == "shards" else ""
    near, far = f"{root}/made/{kind}", f"s3://{BUCKET}/{kind}"
    code, seconds, told = predict(near + pattern, root / f"near-{kind}")
    print(f"near {kind}: exit {code}, {seconds:.1f} s, {told}", flush=True)
    expected = lines((root / f"near-{kind}" / "predictions.jsonl").read_text(), near)
    for fault in faults:
        for where in results:
            Spoiler.spoil.update({"503": 0.0, "slow": 0.0, "cut": 0.0})
            Spoiler.spoil.update({one: share * OFTEN[kind] for one, share in FAULTS[fault].items()})
            Spoiler.counts.update(dict.fromkeys(Spoiler.counts, 0))
            out = f"s3://{BUCKET}/out-{fault}-{kind}" if where == "there" else root / f"{fault}-{kind}"
            code, seconds, told = predict(far + pattern, out, spoiled if FAULTS[fault] else plain)
            same = code == 0 and lines(written(out, store), far) == expected
            print(
                f"{fault} {kind} results {where}: exit {code}, {seconds:.1f} s, equal {same}, {told}, "
                f"{Spoiler.counts if FAULTS[fault] else ''}",
                flush=True,
            )


def written(out: Path | str, store: Any) -> str:
    """The lines that a run wrote, here or into the store, where nothing else may be left of it."""
    if isinstance(out, Path):
        return (out / "predictions.jsonl").read_text()
    store.invalidate_cache()
    left = sorted(one.rpartition("/")[2] for one in store.find(out.removeprefix("s3://")))
    if left != ["model.json", "predictions.jsonl"]:
        sys.exit(f"{out}: need the lines and what they are of, found {left}")
    found: str = store.cat_file(f"{out}/predictions.jsonl").decode()
    return found


def refused(kind: str, root: Path, plain: str, spoiled: str) -> None:
    """What is said where nothing can be had."""
    Spoiler.spoil.update({"503": 1.0, "slow": 0.0, "cut": 0.0})
    code, seconds, told = predict(f"s3://{BUCKET}/{kind}", root / "dead", spoiled)
    print(f"dead: exit {code}, {seconds:.1f} s, {json.dumps(told[-300:])}")
    code, seconds, told = predict("s3://no-such-bucket/files", root / "none", plain)
    print(f"no bucket: exit {code}, {seconds:.1f} s, {json.dumps(told[-200:])}")
    none = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(root),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    code, seconds, told = predict(f"s3://{BUCKET}/{kind}", root / "keys", plain, **none)
    print(f"no credentials: exit {code}, {seconds:.1f} s, {json.dumps(told[-300:])}")


if __name__ == "__main__":
    main()
