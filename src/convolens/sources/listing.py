"""What is in a store, listed as it is needed: work begins with the first page of a listing, not behind the last.

S3 gives pages of a thousand keys, all below a prefix, in order of their bytes. Other stores are listed folder by
folder, each in order of names; how lazily, is up to their file system (most read a whole folder first).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from convolens.errors import FileError
from convolens.sources.addresses import Place, place_of, shown_address
from convolens.sources.retries import patiently
from convolens.sources.stored import Object, object_at


def kind_of(address: str) -> tuple[Literal["file", "folder"], int | None]:
    """Whether a file or a folder is at an address, and the file's size where the store says.

    Raises:
        FileError: nothing is there, or the store does not say.
    """
    place = place_of(address)

    def asked() -> dict[str, Any]:
        place.files.invalidate_cache()
        found: dict[str, Any] = place.files.info(place.path)
        return found

    found = patiently(address, "a file or a folder", asked)
    if found.get("type") == "directory":
        return "folder", None
    size = found.get("size")
    return "file", size if isinstance(size, int) else None


def objects_below(address: str) -> Iterator[Object]:
    """Every file below a folder of a store, lazily and in the store's order.

    Raises:
        FileError: the store does not answer, or has no such folder.
    """
    scheme = address.partition("://")[0]
    if scheme in ("http", "https"):
        raise FileError(
            f"{shown_address(address)}: need a file, got a folder of the web, which has no list; give files or shards"
        )
    place = place_of(address)
    place.files.invalidate_cache()
    entries = _of_s3(address, place) if hasattr(place.files, "call_s3") else _walked(address, place.files, place.path)
    for path, size in entries:
        yield object_at(f"{scheme}://{path.lstrip('/') if scheme != 'file' else path}", size)


def _walked(address: str, files: Any, folder: str) -> Iterator[tuple[str, int | None]]:
    entries: Iterable[dict[str, Any]] = patiently(address, "a folder", lambda: files.ls(folder, detail=True))
    if isinstance(entries, list):
        entries = sorted(entries, key=lambda one: str(one["name"]))
    for one in entries:
        name = str(one["name"])
        if name.rstrip("/") == folder.rstrip("/"):  # some stores keep an empty object for a folder
            continue
        if one.get("type") == "directory":
            yield from _walked(address, files, name)
        else:
            size = one.get("size")
            yield name, size if isinstance(size, int) else None


def _of_s3(address: str, place: Place) -> Iterator[tuple[str, int | None]]:
    """Pages of keys, one of them read ahead."""
    bucket, _, prefix = place.path.partition("/")
    wanted = {"Bucket": bucket, "Prefix": f"{prefix.rstrip('/')}/" if prefix else ""}

    def page(token: str | None) -> dict[str, Any]:
        more = {} if token is None else {"ContinuationToken": token}
        call = place.files.call_s3
        found: dict[str, Any] = patiently(address, "a folder", lambda: call("list_objects_v2", **wanted, **more))
        return found

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(page, None)
        while True:
            found = waiting.result()
            token = found.get("NextContinuationToken") if found.get("IsTruncated") else None
            if token is not None:
                waiting = pool.submit(page, token)
            for one in found.get("Contents", ()):
                if not one["Key"].endswith("/"):
                    yield f"{bucket}/{one['Key']}", int(one["Size"])
            if token is None:
                return
