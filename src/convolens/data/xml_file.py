"""XML files of annotations, in the encoding that they declare, without entities of their own."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from convolens.data.files import encoding_of, ends_of_file, read_bytes
from convolens.errors import FormatError

# Chinese programs declare the small set and write the large one, which has it as a part.
WIDER = {"gb2312": "gb18030", "gbk": "gb18030"}


def read_xml(path: Path, what: str, *, most: int) -> ElementTree.Element:
    """The top element of a file of at most so many bytes.

    Raises:
        FileError: it cannot be read.
        FormatError: too large, no XML, in another encoding than it says, or with entities.
    """
    text = _decoded(path, what, most)
    if "<!ENTITY" in text:
        raise FormatError(f"{path}: need XML without entities of its own, got <!ENTITY")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise FormatError(f"{path}: need XML, got {error}") from error


def top_tag(path: Path) -> str:
    """The name of a file's first element, without reading more than its head; empty where it has none."""
    head = ends_of_file(path).replace(b"\0", b"")  # of UTF-16
    found = re.search(rb"<([A-Za-z_][\w.:-]*)", re.sub(rb"<!--.*?-->", b"", head, flags=re.DOTALL))
    return found[1].decode() if found else ""


def _decoded(path: Path, what: str, most: int) -> str:
    """The text, in the encoding that its first line declares, or else in UTF-8."""
    data = read_bytes(path, what, most=most)
    declared = encoding_of(data)
    if declared != "utf-16":
        found = re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", data)
        declared = found[1].decode().lower() if found else "utf-8"
    if declared in ("utf-8", "utf8"):
        declared = "utf-8-sig"
    try:
        return data.decode(WIDER.get(declared, declared))
    except LookupError:
        raise FormatError(f"{path}: need a known encoding of its text, got {declared!r}") from None
    except UnicodeError as error:
        raise FormatError(f"{path}: need text in {declared}, as it says or by default, got {error}") from error
