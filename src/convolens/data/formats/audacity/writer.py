"""Audacity's label files, written."""

from __future__ import annotations

from collections.abc import Iterable

from convolens.data.sound_labels import Span


def labels_text(spans: Iterable[Span]) -> str:
    r"""The text of a file of labels, which File > Import > Labels reads; pitches where they are known.

    >>> labels_text([Span("crow", 0.5, 1.0, 1200, 3400)])
    '0.500000\t1.000000\tcrow\n\\\t1200.000000\t3400.000000\n'
    """
    return "".join(map(_lines, spans))


def _lines(span: Span) -> str:
    line = f"{span.start:.6f}\t{span.end:.6f}\t{_plain(span.label)}\n"
    return line if span.low is None else f"{line}\\\t{span.low:.6f}\t{span.high:.6f}\n"


def _plain(label: str) -> str:
    """In one cell of one line."""
    return " ".join(label.split())
