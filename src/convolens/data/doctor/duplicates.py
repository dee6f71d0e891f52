"""The same picture twice: byte for byte, or nearly (another size, quality or tint), and what that does.

Candidates for "nearly" agree in most of 64 bits, the signs of the lowest frequencies of a 32×32 thumbnail (the
perceptual hash of Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010); a pair counts
only if the thumbnails themselves correlate, so that plain and textured pictures are not confused.

Time is near linear: two hashes that differ in at most 5 bits agree wholly in one of six runs of bits, so only pictures
that share a run are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.data import Example
from convolens.data.doctor.files import THUMBNAIL, Look
from convolens.data.doctor.findings import Finding, Instance, finding
from convolens.first_use import loaded

BITS_APART = 5  # of 64, at most, between pictures that are nearly one
LEAST_CORRELATION = 0.985  # of their thumbnails
LEAST_CONTRAST = 4  # standard deviation of a thumbnail in gray levels; below it, all plain pictures are alike
SHAPES_APART = 1.05  # ratio of their ratios of width to height
AT_ONCE = 4096  # thumbnails computed with at a time: as floats they take 8 kB each
LARGEST_BUCKET = 3000  # pictures with one run of bits in common, beyond which they are not compared: all look alike


def duplicate_findings(examples: Sequence[Example], looks: Mapping[Path, Look]) -> list[Finding]:
    """Files listed twice, copies, near copies, and those of each that are in two splits or have two labels."""
    by_path: dict[Path, list[Example]] = defaultdict(list)
    for example in examples:
        by_path[example.file].append(example)
    good = [look for look in looks.values() if not look.trouble]
    by_digest: dict[bytes, list[Path]] = defaultdict(list)
    for one in good:
        by_digest[one.digest].append(one.path)
    copies = [tuple(paths) for paths in by_digest.values() if len(paths) > 1]
    firsts = [looks[paths[0]] for paths in by_digest.values()]
    near = [(firsts[a].path, firsts[b].path) for a, b in near_pairs(firsts)]
    groups = [*copies, *near, *((path, path) for path, several in by_path.items() if len(several) > 1)]
    leaks = [one for one in groups if len({e.split for path in one for e in by_path[path]}) > 1]
    torn = [one for one in copies if len({e.labels for path in one for e in by_path[path]}) > 1]
    twice = [Instance(path, f"listed {len(several)} times") for path, several in by_path.items() if len(several) > 1]
    return [
        *finding("leak", "fault", "are in two splits: what is measured on them was learned by heart", _pairs(leaks),
                 len(leaks)),
        *finding("contradicting copies", "fault", "are the same file with different labels", _pairs(torn),
                 len(torn)),
        *finding("listed twice", "fault", "are listed more than once", twice),
        *finding("copy", "fault", "are copies of another file, byte for byte; a random split would put some on both "
                 "sides", _pairs(copies)),
        *finding("near copy", "note", "look nearly the same as another; a random split may put them on both sides",
                 _pairs(near)),
    ]  # fmt: skip


def near_pairs(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """Numbers of the pictures that look nearly the same, each with the first that it looks like."""
    if len(looks) < 2:
        return []
    thumbnails = np.frombuffer(b"".join(look.thumbnail for look in looks), np.uint8).reshape(len(looks), -1)
    hashes = perceptual_hashes(thumbnails)
    contrast = contrasts(thumbnails) >= LEAST_CONTRAST
    shapes = np.log([look.size[0] / look.size[1] for look in looks])
    found: dict[int, int] = {}
    for members in _sharing_a_run(hashes, np.flatnonzero(contrast)):
        for at, first in enumerate(members[:-1]):
            others = members[at + 1 :]
            others = others[np.bitwise_count(hashes[others] ^ hashes[first]) <= BITS_APART]
            others = others[np.abs(shapes[others] - shapes[first]) <= np.log(SHAPES_APART)]
            for other in others[_correlations(thumbnails[first], thumbnails[others]) >= LEAST_CORRELATION]:
                found[int(other)] = min(found.get(int(other), int(first)), int(first))
    return sorted((first, other) for other, first in found.items())


def contrasts(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The standard deviation of each row of gray values."""
    parts = (thumbnails[start : start + AT_ONCE] for start in range(0, len(thumbnails), AT_ONCE))
    return np.concatenate([part.std(axis=1) for part in parts])


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits for each row of `THUMBNAIL`² gray values: which of the 8×8 lowest frequencies are above their median."""
    bits = np.empty((len(thumbnails), 64), np.uint8)
    for start in range(0, len(thumbnails), AT_ONCE):
        some = thumbnails[start : start + AT_ONCE].reshape(-1, THUMBNAIL, THUMBNAIL).astype(np.float32)
        low = loaded("scipy.fft").dctn(some, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(-1, 64)
        bits[start : start + AT_ONCE] = low > np.median(
            low[:, 1:], axis=1, keepdims=True
        )  # without the mean brightness
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def _sharing_a_run(hashes: NDArray[np.uint64], among: NDArray[Any]) -> Iterable[NDArray[Any]]:
    """Groups of pictures whose hashes agree in one of `BITS_APART` + 1 runs of bits."""
    edges = np.linspace(0, 64, BITS_APART + 2).astype(int)
    for low, high in pairwise(edges):
        run = (hashes[among] >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(run, kind="stable")
        for group in np.split(among[order], np.flatnonzero(np.diff(run[order])) + 1):
            if 1 < len(group) <= LARGEST_BUCKET:
                yield group


def _correlations(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    a, b = one - one.mean(dtype=np.float32), others - others.mean(axis=1, keepdims=True, dtype=np.float32)
    found: NDArray[np.float32] = (b @ a) / (np.linalg.norm(a) * np.linalg.norm(b, axis=1))
    return found


def _pairs(groups: Sequence[tuple[Path, ...]]) -> list[Instance]:
    return [Instance(other, f"as {group[0]}", other=group[0]) for group in groups for other in group[1:]]
