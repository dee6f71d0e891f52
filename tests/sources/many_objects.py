"""How soon predicting begins where a store holds a million pictures: a server of S3's lists that has none of them.

    python -m tests.sources.many_objects [--pictures 1000000] [--stop 200]

It makes pages of 1,000 names as they are asked for, each after `--wait` seconds, and answers every name with the same
picture. Says when the first prediction is there and how many pages were asked for by then.
"""

from __future__ import annotations

import argparse
import http.server
import os
import threading
import time
from itertools import islice
from urllib.parse import parse_qs, urlparse

from tests.sources.making import png

PICTURE, PAGE = png(90), 1000


class Many(http.server.BaseHTTPRequestHandler):
    """Pages of names, and a picture."""

    protocol_version = "HTTP/1.1"
    count, wait, pages = 0, 0.0, 0

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """A page of a list, or an object."""
        asked = parse_qs(urlparse(self.path).query)
        if "list-type" not in asked:
            return self._answer(PICTURE, "image/png")
        most, first = int(asked.get("max-keys", ["1000"])[0]), int(asked.get("continuation-token", ["0"])[0])
        last = min(first + min(most, PAGE), Many.count)
        Many.pages += most > 1
        time.sleep(Many.wait)
        rows = "".join(
            f"<Contents><Key>photos/{number:07}.png</Key><Size>{len(PICTURE)}</Size>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            for number in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < Many.count else ""
        text = (
            "<?xml version='1.0'?><ListBucketResult><Name>many</Name><Prefix>photos/</Prefix>"
            f"<KeyCount>{last - first}</KeyCount><IsTruncated>{str(last < Many.count).lower()}</IsTruncated>"
            f"{rows}{more}</ListBucketResult>"
        )
        return self._answer(text.encode(), "application/xml")

    def do_HEAD(self) -> None:
        """An object is there; a folder's name is none."""
        name = urlparse(self.path).path
        found = name.endswith(".png")
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(PICTURE)) if found else "0")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def _answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serves, predicts for the first, prints what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--stop", type=int, default=200, help="after so many predictions")
    parser.add_argument("--wait", type=float, default=0.2, help="seconds that a page takes")
    wanted = parser.parse_args()
    Many.count, Many.wait = wanted.pictures, wanted.wait
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Many)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
    }
    import s3fs  # noqa: F401 - what is measured is listing, not importing

    from convolens.inference.predict import predictions
    from convolens.media.picture_files import find_pictures
    from tests.inference.test_predict import Finder

    model, began = Finder(), time.monotonic()
    found = predictions(model, find_pictures(["s3://many/photos"]), batch=16)
    first = next(found)
    took = time.monotonic() - began
    print(
        f"first of {Many.count:,}: {took:.2f} s, {Many.pages} pages asked for; {first.path} {first.error}", flush=True
    )
    more = sum(not one.error for one in islice(found, wanted.stop - 1))
    print(f"first {more + 1}: {time.monotonic() - began:.2f} s, {Many.pages} pages asked for", flush=True)
    os._exit(0)  # not waiting for the page that is read ahead


if __name__ == "__main__":
    main()
