"""Files from the network, downloaded once: resumed where they broke off, checked by hash, never partial.

A file grows as `NAME.part` beside its final place and is renamed only when its SHA-256 agrees, so a file under its own
name is whole. A lock keeps two processes from writing the same part; the second finds the finished file.

The environment variable `CONVOLENS_WEIGHTS` names another place: a folder (nothing is downloaded then, as behind an air
gap), or the address of a mirror that serves the same file names.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from convolens.errors import WeightsError

PLACE = "CONVOLENS_WEIGHTS"
CHUNK = 1 << 20
# No trunk's weights come near this; a server that sends more is not the one we mean.
MAX_BYTES = 4 << 30
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class RemoteFile:
    """A file somebody publishes.

    Attributes:
        url: where.
        sha256: its hash, or the first digits of it as far as they are published.
    """

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rsplit("/", 1)[-1]


def fetch(file: RemoteFile) -> Path:
    """The file's path on this machine, downloaded first if it is not here yet.

    Raises:
        WeightsError: it cannot be had; the message says which file to put where.
    """
    folder = folder_given()
    if folder is not None:
        return _in_folder(file, folder)
    place = os.environ.get(PLACE, "")
    target = cache_folder() / file.name
    if target.is_file():
        return target
    url = f"{place.rstrip('/')}/{file.name}" if place else file.url
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_file():  # another process may have been faster
                _download(RemoteFile(url, file.sha256), target)
    except PermissionError as error:
        raise WeightsError(
            f"{target}: cannot be written; put {file.url} there, or into a folder of your own "
            f"that the environment variable {PLACE} names"
        ) from error
    return target


def folder_given() -> Path | None:
    """The folder that `CONVOLENS_WEIGHTS` names; None where it names a mirror or nothing."""
    place = os.environ.get(PLACE, "")
    return Path(place).expanduser() if place and not place.startswith(("http://", "https://")) else None


def cache_folder() -> Path:
    """Where downloaded weights are kept: the platform's cache folder."""
    import pooch

    return Path(pooch.os_cache("convolens")) / "weights"


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_hash(path: Path, sha256: str) -> None:
    """Raises a `WeightsError` unless the file's SHA-256 starts with those digits."""
    found = sha256_of(path)
    if not found.startswith(sha256):
        raise WeightsError(
            f"{path}: need SHA-256 {sha256}…, got {found[: max(8, len(sha256))]}…; it is damaged or another file"
        )


def _in_folder(file: RemoteFile, folder: Path) -> Path:
    path = folder / file.name
    if not path.is_file():
        raise WeightsError(f"{path}: need this file, found nothing; download {file.url} and put it there ({PLACE})")
    check_hash(path, file.sha256)
    return path


def _download(file: RemoteFile, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    try:
        _append(file, part)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, PermissionError | WeightsError):
            raise
        raise WeightsError(
            f"{file.name}: cannot download {file.url} ({error}); run again to resume, "
            f"or put the file into {target.parent}"
        ) from error
    try:
        check_hash(part, file.sha256)
    except WeightsError:
        part.unlink()
        raise
    part.replace(target)


def _append(file: RemoteFile, part: Path) -> None:
    """Brings `part` to its full length, from where it is."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is missing; the hash will tell
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server starts over, and so do we
        length = response.headers.get("Content-Length")
        whole = have + int(length) if length else None
        if (whole or 0) > MAX_BYTES:
            raise WeightsError(f"{file.url}: need at most {MAX_BYTES:,} bytes, got {whole:,}")
        with part.open("ab" if have else "wb") as out, _progress(file.name, whole, have) as shown:
            while chunk := response.read(CHUNK):
                out.write(chunk)
                have += len(chunk)
                if have > MAX_BYTES:
                    raise WeightsError(f"{file.url}: need at most {MAX_BYTES:,} bytes, got more")
                if shown is not None:
                    shown.update(shown.task_ids[0], completed=have)
    if whole is not None and have < whole:
        raise ConnectionError(f"it broke off after {have:,} of {whole:,} bytes")


def _progress(name: str, whole: int | None, have: int) -> AbstractContextManager[Any]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    bar.add_task(name, total=whole, completed=have)
    return bar
