"""What the doctor does not see without a network: pictures that show the same, cut, mirrored or recolored.

The groups are those of `near_copies.py`; what the doctor named as a copy already is not named again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convolens.data.doctor import Diagnosis, Finding, Instance
from convolens.data.doctor.findings import finding
from convolens.inference.near_copies import near_copies

_KNOWN = ("copy", "near copy", "listed twice", "leak")  # findings whose pairs need no second name


def with_cut_copies(
    found: Diagnosis,
    model: Any,
    *,
    taps: Sequence[str] | str | None = None,
    batch: int = 16,
    progress: bool = True,
    device: str = "auto",
) -> Diagnosis:
    """A diagnosis, with what shows the same photo though it is cut, mirrored, lighter, darker or in other colors.

    Args:
        found: what the doctor found without a network.
        model: a model or a trunk, whose features name the likely ones; taps, batch, device as for `near_copies`.
        taps: of the trunk.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar.
        device: where to run.

    Returns:
        The same with up to two findings more: `cut copy`, a note, and of those in two splits `cut copy in two splits`,
        a fault.

    Raises:
        ArgumentError: no such tap, or what has no taps.
        FileError: no picture that can be used.
    """
    bad = {one.path for each in found.findings if each.kind == "unreadable file" for one in each.all_instances}
    files = [path for path in dict.fromkeys(one.file for one in found.data.examples) if path not in bad]
    groups = near_copies(model, files, taps=taps, batch=batch, progress=progress, device=device).groups
    findings = [*found.findings, *copy_findings(found, [[Path(one) for one in group] for group in groups])]
    return replace(found, findings=tuple(sorted(findings, key=lambda one: one.level)))


def copy_findings(found: Diagnosis, groups: Sequence[Sequence[Path]]) -> list[Finding]:
    """What groups of pictures that show the same mean for the data."""
    splits: dict[Path, set[str]] = defaultdict(set)
    for example in found.data.examples:
        splits[example.file].add(example.split)
    known = {
        frozenset((one.path, one.other)) for each in found.findings if each.kind in _KNOWN for one in each.all_instances
    }
    new = [_pairs(group, known) for group in groups]
    torn = [[one for one in pairs if splits[one.path] != splits[one.other]] for pairs in new]  # type: ignore[index]
    return [
        *finding("cut copy in two splits", "fault", "show the same in two splits, whole or a part: what is measured on "
                 "them was learned; look at them first", [one for pairs in torn for one in pairs]),
        *finding("cut copy", "note", "show the same as another, whole or a part of it, mirrored or in other colors; a "
                 "random split may put them on both sides", [one for pairs in new for one in pairs]),
    ]  # fmt: skip


def _pairs(group: Sequence[Path], known: set[frozenset[Path | None]]) -> list[Instance]:
    """Each picture of a group with the first of those before it that it is not yet known to be a copy of."""

    def each() -> Iterator[Instance]:
        for at, path in enumerate(group[1:], start=1):
            if not any(frozenset((path, other)) in known for other in group[:at]):
                yield Instance(path, f"as {group[0]}", other=group[0])

    return list(each())
