"""Which columns of a table are of pictures, of their names and of their classes: by name and by type."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from convolens.errors import FormatError

_PICTURES = ("image", "picture", "img", "photo", "jpg", "png", "bytes", "content", "data")
_NAMES = ("file_name", "filename", "path", "file", "__key__", "key", "image_id", "id")
_LABELS = ("label", "class", "class_name", "category", "labels", "cls")


class Layout(NamedTuple):
    """The columns of a table that matter: of pictures, and where there are such, of names and classes."""

    pictures: str
    names: str | None
    labels: str | None
    class_names: tuple[str, ...]  # where the table numbers classes and says their names
    texts: tuple[str, ...]  # those of texts or bytes: kept as the file has them, each value once

    @property
    def columns(self) -> list[str]:
        """All of them."""
        return [one for one in (self.pictures, self.names, self.labels) if one is not None]


def layout_in(shown: str, schema: Any) -> Layout:
    """The columns that matter.

    Args:
        shown: the table, as messages call it.
        schema: its columns, as pyarrow has them.

    Raises:
        FormatError: none holds encoded pictures.
    """
    binary = [one.name for one in schema if _is_binary(one.type)]
    nested = {one.name: list(one.type) for one in schema if _is_struct(one.type)}
    columns = [
        *(f"{name}.bytes" for name, parts in nested.items() for part in parts
          if part.name == "bytes" and _is_binary(part.type)),
        *binary,
    ]  # fmt: skip
    if not columns:
        found = ", ".join(schema.names[:8]) or "none"
        raise FormatError(f"{shown}: need a column of encoded pictures (binary), found none among the columns {found}")
    by_name = [one for name in _PICTURES for one in columns if one.partition(".")[0].lower() == name]
    pictures = (by_name or columns)[0]
    whole = pictures.partition(".")[0]
    kinds = {one.name: one.type for one in schema if one.name != whole}
    kinds |= {f"{whole}.{part.name}": part.type for part in nested.get(whole, ()) if pictures != whole}
    plain = [name for name, kind in kinds.items() if _is_plain(kind)]
    names = _first(plain, _NAMES) or (f"{whole}.path" if f"{whole}.path" in plain else None)
    labels = _first(plain, _LABELS)
    texts = (pictures, *(name for name in (names, labels) if name is not None and _is_text(kinds[name])))
    return Layout(pictures, names, labels, _class_names(schema.metadata or {}, labels), texts)


def _first(columns: list[str], known: tuple[str, ...]) -> str | None:
    return next((one for name in known for one in columns if one.lower() == name), None)


def _value_type(kind: Any) -> Any:
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    kind = _value_type(kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    value = _value_type(kind)
    return _is_binary(kind) or bool(types.is_string(value) or types.is_large_string(value))


def _is_struct(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_struct(kind))


def _is_plain(kind: Any) -> bool:
    """Whether cells are single values of a few bytes: a list, or bytes of a fixed number, may repeat billions."""
    from pyarrow import types

    return not types.is_nested(kind) and not types.is_fixed_size_binary(kind)


def _class_names(metadata: dict[bytes, bytes], labels: str | None) -> tuple[str, ...]:
    """The names of numbered classes, as Hugging Face writes them beside the columns."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][labels]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
