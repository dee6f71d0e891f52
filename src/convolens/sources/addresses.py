"""Addresses of files in stores, such as `s3://bucket/photos/a.jpg`, and fsspec's file system for each.

Which credentials are used is the store's own business (its environment variables, files, roles); none is taken from an
address, a file of ours or an option.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from convolens.errors import ConvolensError, FileError, MissingExtraError, did_you_mean, need_package

AnyPath = str | os.PathLike[str]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# A `Path` made of an address has one slash left of two: only what can be meant by that is taken for an address.
_OF_A_PATH = re.compile(
    r"(s3|s3a|gs|gcs|az|abfs|abfss|adl|http|https|ftp|sftp|hdfs|memory|file|hf|oci|oss):/(?!/)(?=.)"
)


class Place(NamedTuple):
    """Where an address leads: fsspec's file system, and what it calls the file there."""

    files: Any
    path: str


def as_address(path: object) -> str | None:
    """The address that is given in place of a path; None for a path of this machine.

    >>> as_address("s3://bucket/a.jpg"), as_address("photos/a.jpg"), as_address("C:/photos")
    ('s3://bucket/a.jpg', None, None)
    """
    if not isinstance(path, str | os.PathLike):
        return None
    text = os.fspath(path)
    if not isinstance(text, str):
        return None
    if _SCHEME.match(text):
        return text
    found = None if isinstance(path, str) else _OF_A_PATH.match(text)
    return f"{found[1]}://{text[found.end() :]}" if found else None


def place_of(address: str) -> Place:
    """Where an address leads. Nothing is asked of the store yet.

    Raises:
        FileError: of a kind that fsspec does not know, or with a password in it.
        MissingExtraError: fsspec, or the package for this kind of store, is not installed.
    """
    scheme = address.partition("://")[0].lower()
    if find_spec("fsspec") is None:
        raise need_package("fsspec", "cloud", address)
    need_usable(address)
    from fsspec.registry import get_filesystem_class, known_implementations, registry

    try:
        kind: Any = get_filesystem_class(scheme)
        return Place(kind(**kind._get_kwargs_from_urls(address)), kind._strip_protocol(address))
    except ConvolensError:
        raise
    except ImportError as error:
        told = known_implementations.get(scheme, {}).get("err") or str(error)
        extra = "pip install 'convolens[cloud]'" if scheme in ("s3", "s3a", "http", "https") else told
        raise MissingExtraError(f"{address}: needs a package that is not installed; {extra}") from error
    except ValueError as error:
        known = {*known_implementations, *registry}
        if scheme in known:
            raise FileError(f"{address}: need an address that leads somewhere: {error}") from error
        raise FileError(
            f"{address}: need an address of a kind that fsspec knows (s3, gs, https, …), got {scheme!r}"
            f"{did_you_mean(scheme, known)}"
        ) from error


def joined(address: str, *names: str) -> str:
    """The address of what lies below another.

    >>> joined("s3://bucket/out/", "a", "b.jsonl")
    's3://bucket/out/a/b.jsonl'
    """
    return "/".join([address.rstrip("/") if not address.endswith("://") else address[:-1], *names])


def name_in(address: str) -> str:
    """The last part of an address, without what follows a question mark in one of the web.

    >>> name_in("https://example.org/a/photo.jpg?size=2"), name_in("s3://bucket/what?.jpg")
    ('photo.jpg', 'what?.jpg')
    """
    if address.partition("://")[0].lower() in ("http", "https"):
        address = address.partition("?")[0].partition("#")[0]
    return address.rstrip("/").rpartition("/")[2]


def shown_address(address: str) -> str:
    """The address for results and messages: without a signature, which may follow a question mark in one of the web.

    >>> shown_address("https://example.org/photo.jpg?X-Signature=1f")
    'https://example.org/photo.jpg'
    """
    return address.partition("?")[0] if address.partition("://")[0].lower() in ("http", "https") else address


def need_usable(address: str) -> None:
    """Refuses an address that cannot be meant, before anything is asked of a store.

    Raises:
        FileError: a password in it, which would end up in results; or a pattern of the web, which has no lists.
    """
    if address.startswith(("http://", "https://")) and "*" in shown_address(address):
        raise FileError(f"{shown_address(address)}: need a file, got a pattern; the web has no lists to look in")
    try:
        password = urlsplit(address).password
    except ValueError:  # brackets that are no host's
        return
    if password is not None:
        scheme, _, rest = address.partition("://")
        raise FileError(
            f"{scheme}://…@{rest.rpartition('@')[2]}: need an address without a password, which would end up in "
            "results; credentials are taken from the store's own settings"
        )
