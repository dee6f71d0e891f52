"""The second set of mutators, which work otherwise than the first: of two files one, of lengths their sums, of nothing
a whole file by a grammar, and one format's content under another's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from tests.fuzz.form import Change, Format
from tests.fuzz.grammars import GRAMMARS

Order = str


def change_of(kind: str, formats: Mapping[str, Format]) -> Change:
    """How files of the kind are made."""

    def change(data: bytes, luck: Random) -> bytes:
        if kind in GRAMMARS and luck.random() < 0.35:
            return GRAMMARS[kind](luck)
        way = luck.random()
        if way < 0.3:
            return spliced(data, luck.choice(formats[kind].seeds()), luck)
        if way < 0.75:
            for _ in range(luck.choice((1, 1, 2, 3))):
                data = luck.choice(_ARITHMETIC)(bytearray(data or b"\0"), luck)
            return data
        stranger = luck.choice(formats[luck.choice(list(formats))].seeds())
        return transplanted(data, stranger[:20_000], luck)

    return change


def spliced(one: bytes, other: bytes, luck: Random) -> bytes:
    """The beginning of one and the end of another, or the middle of one in the other."""
    at, begin = luck.randrange(len(one) + 1), luck.randrange(len(other) + 1)
    if luck.random() < 0.5:
        return one[:at] + other[begin:]
    end = luck.randrange(begin, len(other) + 1)
    return one[:at] + other[begin:end] + one[luck.randrange(at, len(one) + 1) :]


def transplanted(data: bytes, stranger: bytes, luck: Random) -> bytes:
    """The stranger under this name; behind this one's head, before its end, or a piece of it inside."""
    way, at = luck.randrange(5), luck.randrange(len(data) + 1)
    if way == 0:
        return stranger
    if way == 1:
        return data[: luck.choice((4, 8, 12, 16, 64))] + stranger
    if way == 2:
        return stranger[: luck.choice((4, 12, 64))] + data
    if way == 3:
        return data + stranger
    begin = luck.randrange(len(stranger) + 1)
    return data[:at] + stranger[begin : begin + luck.choice((4, 16, 100, 2000))] + data[at:]


def _fields(data: bytearray, luck: Random) -> tuple[int, int, Order]:
    """A place where a number stands that could be a length or an offset in this file: where, its size, its order."""
    for _ in range(40):
        at, size, order = luck.randrange(len(data)), luck.choice((2, 4, 4, 8)), luck.choice(("little", "big"))
        value = int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]
        if 0 < value <= len(data):
            return at, size, order
    return luck.randrange(len(data)), 1, "little"


def _length(data: bytearray, luck: Random) -> bytes:
    at, size, order = _fields(data, luck)
    value, left = int.from_bytes(data[at : at + size], order), len(data) - at - size  # type: ignore[arg-type]
    value = luck.choice(
        (value - 1, value + 1, value * 2, value // 2, -value, left, left + 1, left - 1, value + luck.randrange(64),
         value - luck.randrange(64), value ^ 1 << 8 * size - 1, len(data), (1 << 8 * size) - value)
    ) % (1 << 8 * size)  # fmt: skip
    data[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]
    return bytes(data)


def _window(data: bytearray, luck: Random) -> slice:
    at = luck.randrange(len(data))
    return slice(at, at + luck.choice((1, 2, 4, 16, 64)))


def _added(data: bytearray, luck: Random) -> bytes:
    where, step = _window(data, luck), luck.choice((1, 2, 16, 127, 255))
    data[where] = bytes((byte + step) & 0xFF for byte in data[where])
    return bytes(data)


def _shifted(data: bytearray, luck: Random) -> bytes:
    where, by = _window(data, luck), luck.randrange(1, 8)
    part = data[where]
    number = int.from_bytes(part, "big")
    bits = 8 * len(part)
    data[where] = ((number << by | number >> bits - by) & ((1 << bits) - 1)).to_bytes(len(part), "big")
    return bytes(data)


def _reversed(data: bytearray, luck: Random) -> bytes:
    where = _window(data, luck)
    data[where] = data[where][::-1]
    return bytes(data)


def _filled(data: bytearray, luck: Random) -> bytes:
    where = _window(data, luck)
    data[where] = luck.choice((b"\0", b"\xff", b"\x7f", b"\x80", b" ", b"0")) * len(data[where])
    return bytes(data)


def _swapped(data: bytearray, luck: Random) -> bytes:
    """Two windows in each other's place, of unlike lengths."""
    first, second = sorted((_window(data, luck), _window(data, luck)), key=lambda one: one.start)
    if first.stop > second.start:
        return bytes(data)
    return bytes(
        data[: first.start] + data[second] + data[first.stop : second.start] + data[first] + data[second.stop :]
    )


_ARITHMETIC: Sequence[Callable[[bytearray, Random], bytes]] = (
    *(_length, _length, _length, _added, _shifted, _reversed, _filled, _swapped),
)
