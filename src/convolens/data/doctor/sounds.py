"""Data of sounds looked through: every file is heard to its end, and what would spoil a training is named.

O(samples) time; of a sound a block is held, and of each file a few hundred bytes are kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convolens.data.dataset import DataSet, Example
from convolens.data.doctor.findings import Finding, Instance, finding
from convolens.effects.sounds.heard import LEAST, Heard
from convolens.effects.sounds.hearing import FLOOR
from convolens.errors import UNREADABLE
from convolens.media.audio_reading import reading, sound_blocks
from convolens.settings import threads

FORMATS = ("sounds", "raven", "audacity")
AT_ONCE_PERCENT, AT_ONCE_MOST = 95, 2.0  # what a network takes at once, in seconds, where nothing else is wanted
SILENCE = 10 ** (FLOOR / 20)  # of a full-scale wave: less is what a network hears as none
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Listen:
    """What a sound file turned out to be.

    Attributes:
        path: the file.
        trouble: why it cannot be used; empty where it can.
        digest: of its bytes.
        seconds: how long it lasts.
        rate: samples a second.
        channels: how many.
        loudest: the highest sample, 1 is full scale.
    """

    path: Path
    trouble: str = ""
    digest: bytes = b""
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    loudest: float = 0.0


def hear(path: Path) -> Listen:
    """Reads one sound to its end."""
    frames, loudest = 0, 0.0
    try:
        with reading(path) as sound:
            rate, channels = int(sound.samplerate), int(sound.channels)
            for block in sound_blocks(sound, path):
                frames, highest = frames + len(block), float(np.abs(block).max(initial=0))
                if not np.isfinite(highest):
                    return Listen(path, f"{path}: need finite samples, got NaN or infinity; the file is damaged")
                loudest = max(loudest, highest)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except (*UNREADABLE, OSError) as error:
        return Listen(path, str(error))
    return Listen(path, "", digest, frames / rate, rate, channels, loudest)


def hear_all(paths: Iterable[Path]) -> Iterator[Listen]:
    """All files in order, by several threads."""
    with ThreadPoolExecutor(threads()) as pool:
        yield from pool.map(hear, paths)


def files_of(data: DataSet) -> list[Path]:
    """The sound files of data, each once."""
    return list(dict.fromkeys(one.path.path for one in data.examples if isinstance(one.path, Heard)))


def sound_findings(data: DataSet, heard: Sequence[Listen]) -> list[Finding]:
    """What is wrong with the files, as far as it can be heard, and classes that cannot be learned from."""
    good = [one for one in heard if not one.trouble]
    silent = [Instance(one.path, f"{one.seconds:.2f} s") for one in good if one.loudest < SILENCE]
    at_once, short = _short(data, heard)
    others = [Instance(Path(str(one.path)), one.reason) for one in data.skipped]
    return [
        *finding("unreadable file", "fault", "cannot be read, and will be left out of any training",
                 [Instance(one.path, one.trouble) for one in heard if one.trouble]),
        *finding("silence", "fault", "have no sound in them, and will be left out of any training", silent),
        *finding("short sound", "fault", "last less than an eighth of what a network takes at once by itself, "
                 f"{at_once:.2g} s, and will be left out", short),
        *finding("class with one sound", "fault", "have one sound alone, which cannot be learned from and measured on",
                 _lone_classes(data)),
        *finding("other file", "note", "are among the sounds and are passed over", others),
        *finding("mixed rates", "note", "kinds of rates; all are brought to the lowest, at most 16,000 Hz, and what is "
                 "above half of that is not heard", _mixed(good, [f"{one.rate:,} Hz" for one in good])),
        *finding("mixed channels", "note", "kinds of channels; all are heard as their mean",
                 _mixed(good, [_channels(one.channels) for one in good])),
        *_copies(data, good),
    ]  # fmt: skip


def sound_facts(heard: Sequence[Listen]) -> dict[str, object]:
    """Plain numbers of the files: seconds, rates and channels, each with how many there are."""
    good = [one for one in heard if not one.trouble]
    lasts = [one.seconds for one in good]
    return {
        "of": "sounds",
        "files": len(heard),
        "seconds": {
            "all": float(np.sum(lasts)), "shortest": min(lasts, default=0.0), "longest": max(lasts, default=0.0),
            "median": float(np.median(lasts)) if lasts else 0.0,
        },
        "rates": dict(Counter(f"{one.rate:,} Hz" for one in good).most_common()),
        "channels": dict(Counter(_channels(one.channels) for one in good).most_common()),
    }  # fmt: skip


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def _mixed(good: Sequence[Listen], kinds: Sequence[str]) -> list[Instance]:
    """The first file of each kind, the commonest first; nothing where there is one kind."""
    counts = Counter(kinds)
    if len(counts) < 2:
        return []
    return [Instance(good[kinds.index(kind)].path, f"{kind}, one of {count:,}") for kind, count in counts.most_common()]


def _lasts(example: Example, seconds: float) -> float:
    """How long an example lasts, of a file that lasts so long."""
    assert isinstance(example.path, Heard)
    start, end = example.path.start or 0.0, example.path.end
    return float((seconds if end is None else end) - start)


def _short(data: DataSet, heard: Sequence[Listen]) -> tuple[float, list[Instance]]:
    """What a network takes at once by itself, and the sounds that last less than an eighth of it."""
    seconds = {one.path: one.seconds for one in heard if not one.trouble}
    known = [(one, _lasts(one, seconds[one.path.path])) for one in data.examples
             if isinstance(one.path, Heard) and one.path.path in seconds]  # fmt: skip
    if not known or data.kind == "boxes":
        return 0.0, []
    at_once = min(float(np.percentile([lasts for _, lasts in known], AT_ONCE_PERCENT)), AT_ONCE_MOST)
    return at_once, [
        Instance(Path(str(one.path)), f"{lasts:.3g} s") for one, lasts in known if lasts <= at_once / LEAST
    ]


def _lone_classes(data: DataSet) -> list[Instance]:
    counts = Counter(label for one in data.examples for label in one.labels)
    return [
        Instance(Path(str(data.root)), data.class_names[label])
        for label, count in sorted(counts.items())
        if count == 1 and data.kind == "label"
    ]


def _copies(data: DataSet, good: Sequence[Listen]) -> list[Finding]:
    """Files that are the same byte for byte, and what that does where they are in two splits or classes."""
    of_file: dict[Path, list[Example]] = {}
    for one in data.examples:
        if isinstance(one.path, Heard):
            of_file.setdefault(one.path.path, []).append(one)
    by_digest: dict[bytes, list[Path]] = {}
    for file in good:
        by_digest.setdefault(file.digest, []).append(file.path)
    copies = [paths for paths in by_digest.values() if len(paths) > 1]
    leaks = [paths for paths in copies if len({one.split for path in paths for one in of_file[path]}) > 1]
    torn = [] if data.kind == "boxes" else [
        paths for paths in copies if len({tuple(one.labels for one in of_file[path]) for path in paths}) > 1
    ]  # fmt: skip
    return [
        *finding("leak", "fault", "are in two splits: what is measured on them was learned by heart", _others(leaks)),
        *finding("contradicting copies", "fault", "are the same file with different labels", _others(torn)),
        *finding("copy", "fault", "are copies of another file, byte for byte; a random split would put some on both "
                 "sides", _others(copies)),
    ]  # fmt: skip


def _others(groups: Sequence[Sequence[Path]]) -> list[Instance]:
    return [Instance(other, f"as {group[0]}", other=group[0]) for group in groups for other in group[1:]]
