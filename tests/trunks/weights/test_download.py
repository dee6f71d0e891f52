"""Downloads from a server that behaves, breaks off, lies, or is not there."""

import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest

from convolens.errors import WeightsError
from convolens.trunks.weights import download
from convolens.trunks.weights.download import RemoteFile, fetch

CONTENT = bytes(range(256)) * 4096
HASH = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `breaks_at` cuts the answer short, `asked` keeps every request's path and range."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks_at, self.ranges, self.asked, self.content = None, True, [], CONTENT

    def file(self, sha256=HASH[:8]):
        return RemoteFile(f"http://127.0.0.1:{self.server_port}/models/net-1.pth", sha256)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(self.server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        self.wfile.write(self.server.content[start : self.server.breaks_at])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv(download.PLACE, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    return tmp_path / "convolens" / "weights"


def files_in(folder):
    return {path.name for path in folder.iterdir()} - {"net-1.pth.lock"}


def test_a_file_is_fetched_once_and_then_kept(server, cache):
    for _ in range(2):
        assert fetch(server.file()).read_bytes() == CONTENT
    assert server.asked == [("/models/net-1.pth", None)]
    assert files_in(cache) == {"net-1.pth"}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_is_resumed(server, cache, ranges):
    server.breaks_at = 300_000
    with pytest.raises(
        WeightsError, match=r"broke off after 300,000 of 1,048,576 bytes\); run again to resume, or put"
    ):
        fetch(server.file())
    assert files_in(cache) == {"net-1.pth.part"}
    server.breaks_at, server.ranges = None, ranges
    assert fetch(server.file()).read_bytes() == CONTENT
    assert server.asked[1] == ("/models/net-1.pth", "bytes=300000-")
    assert files_in(cache) == {"net-1.pth"}


def test_a_whole_part_needs_no_more_bytes(server, cache):
    cache.mkdir(parents=True)
    (cache / "net-1.pth.part").write_bytes(CONTENT)
    assert fetch(server.file()).read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing_behind(server, cache):
    with pytest.raises(WeightsError, match=rf"need SHA-256 00000000…, got {HASH[:8]}…; it is damaged or another file"):
        fetch(server.file("00000000"))
    assert files_in(cache) == set()


def test_a_part_of_another_file_is_found_out_and_thrown_away(server, cache):
    cache.mkdir(parents=True)
    (cache / "net-1.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="need SHA-256"):
        fetch(server.file())
    assert fetch(server.file()).read_bytes() == CONTENT


def test_a_file_beyond_all_sizes_is_refused(server, cache, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with pytest.raises(WeightsError, match=r"need at most 1,000 bytes, got 1,048,576"):
        fetch(server.file())


def test_no_connection_says_which_file_to_put_where(server, cache):
    file = RemoteFile("http://127.0.0.1:9/models/net-1.pth", HASH)
    with pytest.raises(WeightsError, match=rf"net-1.pth: cannot download http://.*, or put the file into {cache}"):
        fetch(file)
    assert files_in(cache) == set()


def test_a_mirror_serves_the_same_names(server, cache, monkeypatch):
    monkeypatch.setenv(download.PLACE, f"http://127.0.0.1:{server.server_port}/mirror/")
    assert fetch(RemoteFile("https://nowhere.invalid/models/net-1.pth", HASH)).read_bytes() == CONTENT
    assert server.asked == [("/mirror/net-1.pth", None)]


def test_a_folder_behind_an_air_gap_is_read_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv(download.PLACE, str(tmp_path))
    file = RemoteFile("https://nowhere.invalid/net-1.pth", HASH[:8])
    with pytest.raises(
        WeightsError, match=r"net-1.pth: need this file, found nothing; download https://nowhere.invalid"
    ):
        fetch(file)
    (tmp_path / "net-1.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"net-1.pth: need SHA-256"):
        fetch(file)
    (tmp_path / "net-1.pth").write_bytes(CONTENT)
    assert fetch(file) == tmp_path / "net-1.pth"


def test_a_cache_that_cannot_be_written_says_what_to_do(server, cache, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(download.Path, "mkdir", refuse)
    with pytest.raises(WeightsError, match=r"net-1.pth: cannot be written; put http://.* there, or into a folder"):
        fetch(server.file())
    assert server.asked == []


def test_a_read_only_cache_that_has_the_file_is_enough(server, cache, monkeypatch):
    fetch(server.file())
    cache.chmod(0o555)
    try:
        assert fetch(server.file()).read_bytes() == CONTENT
    finally:
        cache.chmod(0o755)


FETCH = """
import sys
from convolens.trunks.weights.download import RemoteFile, fetch
print(len(fetch(RemoteFile(*sys.argv[1:])).read_bytes()))
"""


def test_two_processes_at_once_download_once(server, tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    environment.pop(download.PLACE, None)
    command = [sys.executable, "-c", FETCH, server.file().url, HASH]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in both] == [f"{len(CONTENT)}\n"] * 2
    assert len(server.asked) == 1
