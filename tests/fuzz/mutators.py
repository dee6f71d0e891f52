"""Damage to files: of their bytes, whatever they hold, and of what they state (JSON, literals), which stays valid."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

INTERESTING = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 1 << 31, 1 << 63, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "a", "\0", "é\ud800", "x" * 70_000, "../../etc", "1", "nan"),
    *([], [[]], ["a"], [1, 2], [None] * 3, {}, {"a": 1}, {"name": ["resnet18"]}),
)


def damaged(data: bytes, luck: random.Random) -> bytes:
    """One to four mutations of the bytes."""
    for _ in range(luck.choice((1, 1, 1, 2, 4))):
        data = luck.choice(_BYTES)(bytearray(data), luck) if data else b"\0"
    return data


def _flip(data: bytearray, luck: random.Random) -> bytes:
    data[_place(data, luck)] ^= 1 << luck.randrange(8)
    return bytes(data)


def _number(data: bytearray, luck: random.Random) -> bytes:
    size, at = luck.choice((1, 2, 4, 8)), _place(data, luck)
    value = luck.choice(INTERESTING) & ((1 << 8 * size) - 1)
    data[at : at + size] = value.to_bytes(size, luck.choice(("little", "big")))  # type: ignore[arg-type]
    return bytes(data)


def _cut(data: bytearray, luck: random.Random) -> bytes:
    return bytes(data[: _place(data, luck)])


def _remove(data: bytearray, luck: random.Random) -> bytes:
    at = _place(data, luck)
    del data[at : at + luck.choice((1, 4, 64, 1000))]
    return bytes(data)


def _repeat(data: bytearray, luck: random.Random) -> bytes:
    at, size = _place(data, luck), luck.choice((1, 8, 200))
    data[at:at] = data[at : at + size] * luck.choice((1, 2, 300))
    return bytes(data)


def _insert(data: bytearray, luck: random.Random) -> bytes:
    at = _place(data, luck)
    data[at:at] = luck.randbytes(luck.choice((1, 2, 8, 100)))
    return bytes(data)


def _splice(data: bytearray, luck: random.Random) -> bytes:
    at, other = _place(data, luck), _place(data, luck)
    size = luck.choice((1, 8, 64))
    data[at : at + size] = data[other : other + size]
    return bytes(data)


_BYTES: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    *(_flip, _number, _cut, _remove, _repeat, _insert, _splice),
)


def _place(data: bytearray, luck: random.Random) -> int:
    """Anywhere, more often at the beginning, where headers are."""
    near = luck.random() < 0.5
    return luck.randrange(min(len(data), 300) if near else len(data))


def changed(value: Any, luck: random.Random) -> Any:
    """Plain data with one part of it replaced, removed or doubled."""
    if isinstance(value, dict) and value and luck.random() < 0.9:
        key = luck.choice(list(value))
        if luck.random() < 0.15:
            return {name: inner for name, inner in value.items() if name != key}
        if luck.random() < 0.1:
            return {**value, luck.choice(("", "a", "trunk", "dtype", "é")): value[key]}
        return {**value, key: changed(value[key], luck)}
    if isinstance(value, list) and value and luck.random() < 0.7:
        at = luck.randrange(len(value))
        if luck.random() < 0.2:
            return value[:at] + value[at + 1 :] if luck.random() < 0.5 else value + value[at:]
        return [*value[:at], changed(value[at], luck), *value[at + 1 :]]
    return luck.choice(VALUES)


def changed_json(text: bytes, luck: random.Random) -> bytes:
    """JSON text with a part of its data changed; texts inside that are JSON themselves likewise. May not be UTF-8."""
    value = json.loads(text)
    facts = value.get("__metadata__", {})
    if facts and luck.random() < 0.7:
        name = luck.choice(list(facts))
        facts[name] = json.dumps(changed(json.loads(facts[name]), luck))
    else:
        value = changed(value, luck)
    return json.dumps(value).encode(errors="surrogatepass")
