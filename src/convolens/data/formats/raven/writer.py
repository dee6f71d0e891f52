"""Raven's selection tables, written."""

from __future__ import annotations

from collections.abc import Iterable

from convolens.data.sound_labels import Span

COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "File Offset (s)", "Annotation", "Score",
)  # fmt: skip


def selections_text(sound: str, spans: Iterable[tuple[Span, float]]) -> str:
    r"""The text of a selection table, which Raven opens beside its sound (File > Open Selection Table).

    Args:
        sound: the name of the sound file.
        spans: with pitches, and how sure each is.

    >>> selections_text("a.wav", [(Span("crow", 0.5, 1.0, 1200, 3400), 0.9)]).splitlines()[1].split("\t")[3:7]
    ['0.500000', '1.000000', '1200.000', '3400.000']
    """
    rows: list[tuple[str, ...]] = [COLUMNS]
    for number, (span, score) in enumerate(spans, 1):
        times = (f"{span.start:.6f}", f"{span.end:.6f}")
        pitches = tuple("" if one is None else f"{one:.3f}" for one in (span.low, span.high))
        label = " ".join(span.label.split())
        rows.append((str(number), "Spectrogram 1", "1", *times, *pitches, sound, times[0], label, f"{score:.4f}"))
    return "".join("\t".join(row) + "\n" for row in rows)
