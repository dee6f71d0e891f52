"""One diagnosis: what is in the data, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from convolens.data import DataSet, read_with_faults
from convolens.data.dataset import Reading
from convolens.data.doctor.annotations import annotation_findings, class_counts, reading_findings
from convolens.data.doctor.duplicates import duplicate_findings
from convolens.data.doctor.files import Look, file_findings, look_at_all
from convolens.data.doctor.findings import Finding, Instance
from convolens.data.doctor.sounds import FORMATS as SOUNDS
from convolens.data.doctor.sounds import files_of, hear_all, sound_facts, sound_findings
from convolens.data.doctor.tiles import tile_findings
from convolens.errors import DataError
from convolens.media.files import AnyPath
from convolens.progress import track

COLUMNS = ("level", "kind", "path", "text")  # of a table of findings, which others may follow

__all__ = ["COLUMNS", "Diagnosis", "Finding", "Instance", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        data: as it was read.
        facts: plain numbers: `format kind pictures splits classes boxes without_objects sizes channels`; of sounds also
            `of files seconds rates`, and `pictures` are sounds or parts of them.
        findings: faults first.
    """

    data: DataSet
    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What has to be mended."""
        return tuple(one for one in self.findings if one.level == "fault")

    def rows(self) -> list[dict[str, Any]]:
        """A row for each place that was found, for a table: the columns of `COLUMNS`, and where there is one a box."""
        return [_row(found, one) for found in self.findings for one in found.all_instances]

    def _repr_html_(self) -> str:
        """What a notebook shows: what the data holds, and a row for each finding; the page has their pictures."""
        from convolens.data.doctor.report import as_html

        return as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON; paths become text."""
        return {"data": str(self.data.root), **self.facts, "findings": [_plain(one) for one in self.findings]}


def _plain(found: Finding) -> dict[str, Any]:
    plain = asdict(replace(found, all_instances=()))
    del plain["all_instances"]
    return plain | {"next_step": found.next_step}


def _row(found: Finding, one: Instance) -> dict[str, Any]:
    row = {"level": found.level, "kind": found.kind, "path": str(one.path), "text": one.text}
    corners = dict(zip(("x1", "y1", "x2", "y2"), map(float, one.box), strict=True)) if one.box else {}
    return row | corners | ({"other": str(one.other)} if one.other else {})


def diagnose(path: AnyPath, *, format: str | None = None, progress: bool = True) -> Diagnosis:  # noqa: A002
    """Reads data of any format, opens every picture, and says what would spoil a training.

    Args:
        path: the data.
        format: its name in `convolens.data.FORMATS`, where it is not to be guessed.
        progress: shows a bar with the time left.

    Raises:
        FileError, DataError, ArgumentError: nothing can be read, as in `convolens.data.read_data`.
    """
    read = read_with_faults(path, format=format)
    if read.format in SOUNDS:
        return _of_sounds(read, path, progress)
    paths = list(dict.fromkeys(example.file for example in read.data.examples))
    looks = {one.path: one for one in track(look_at_all(paths), "opening pictures", len(paths), show=progress)}
    if paths and all(one.trouble for one in looks.values()):
        first = next(iter(looks.values()))
        raise DataError(f"{path}: need pictures that can be read, got none of {len(paths):,}; {first.trouble}")
    findings = [
        *file_findings(read.data, list(looks.values())),
        *annotation_findings(read, looks),
        *duplicate_findings(read.data.examples, looks),
        *tile_findings(read.data.examples, looks),
    ]
    ordered = sorted(findings, key=lambda one: one.level)  # "fault" before "note"; stable otherwise
    return Diagnosis(read.data, _facts(read.data, read.format, list(looks.values())), tuple(ordered))


def _of_sounds(read: Reading, path: AnyPath, progress: bool) -> Diagnosis:
    """The diagnosis of sounds, each of which is heard to its end."""
    files = files_of(read.data)
    heard = list(track(hear_all(files), "hearing sounds", len(files), show=progress))
    if files and all(one.trouble for one in heard):
        raise DataError(f"{path}: need sounds that can be read, got none of {len(files):,}; {heard[0].trouble}")
    findings = [*sound_findings(read.data, heard), *reading_findings(read)]
    facts = _facts(read.data, read.format, []) | sound_facts(heard)
    return Diagnosis(read.data, facts, tuple(sorted(findings, key=lambda one: one.level)))


def _facts(data: DataSet, format_name: str, looks: list[Look]) -> dict[str, Any]:
    counts = class_counts(data)
    good = [one for one in looks if not one.trouble]
    return {
        "format": format_name,
        "kind": data.kind,
        "pictures": len(data),
        "splits": {name: sum(example.split == name for example in data.examples) for name in data.splits},
        "classes": {name: counts[number] for number, name in enumerate(data.class_names)},
        "boxes": sum(len(example.boxes) for example in data.examples),
        "without_objects": sum(not example.labels for example in data.examples),
        "sizes": _sizes(good),
        "channels": dict(Counter(one.channels for one in good).most_common()),
    }


def _sizes(good: list[Look]) -> dict[str, Any]:
    """Smallest, median and largest width and height."""
    if not good:
        return {}
    sides = np.array([one.size for one in good])
    return {
        name: {"width": int(width), "height": int(height)}
        for name, (width, height) in {
            "smallest": sides.min(axis=0), "median": np.median(sides, axis=0), "largest": sides.max(axis=0),
        }.items()
    }  # fmt: skip
