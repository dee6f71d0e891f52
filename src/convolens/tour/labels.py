"""Section: some of the surfaces' labels are wrong; they are found, mended, and the classifier learns more."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convolens.media.images import read_image
from convolens.pages.figures import numbers, row, sheet
from convolens.tour.section import Section
from convolens.tour.surfaces import SURFACES, write_crops

_CROPS, _TESTED_ON, _SIZE = 40, 30, 48
_EVERY = 6  # each sixth crop gets another surface's label
_SHOWN = 6


def _prepare() -> None:
    shutil.rmtree("labels", ignore_errors=True)
    write_crops("labels/train", _SIZE, _CROPS, test=False)
    write_crops("labels/test", _SIZE, _TESTED_ON, test=True)
    for number, name in enumerate(SURFACES):
        other = SURFACES[(number + 1) % len(SURFACES)]
        for crop in sorted(Path("labels/train", name).glob(f"{_SIZE}-*.png"))[::_EVERY]:
            crop.rename(Path("labels/train", other, f"really-{name}-{crop.name}"))


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    found, before, after = made["found"], made["before"], made["after"]
    shown = [read_image(one.path) for one in found.suspects[:_SHOWN]]
    changed = len(list(Path("labels/train").rglob("really-*")))
    right = sum(one.path.name.startswith("really-") for one in found.suspects)
    words = ", ".join(f"{one.label} → {one.suggested}" for one in found.suspects[:_SHOWN])
    return [
        row(sheet(shown, f"Likeliest wrong: {words}.", describe="Grey crops of surfaces", columns=6)),
        numbers({
            f"{right} of {changed}": f"wrong labels found, among {len(found.suspects)} that were named",
            f"{before['top1']:.1%}": "of test crops classified correctly after learning from these labels",
            f"{after['top1']:.1%}": "after learning from the mended ones",
        }),
    ]  # fmt: skip


SECTION = Section(
    name="labels",
    title="Which labels are wrong?",
    prose=f"""
Of {_CROPS * len(SURFACES)} crops every sixth was put into another surface's folder, as tired people do. Features of all
crops are computed once; then five heads, each found on four fifths of the crops, say what the rest show. A label that
they speak against is named, with the probability that it is wrong.

What is to become of it stands in a file, here decided by the probability alone. The mended data is a new folder: the
old one is only read.
""",
    commands=("convolens apply labels/changes.csv labels/train --to labels/mended-table --format csv",),
    python="""\
import convolens as cl
from convolens.labels import apply_changes, check_labels

trunk = {"trunk": "vgg16", "weights": "hed", "taps": "conv4_3"}
found = check_labels("labels/train", **trunk)
found.save("labels/changes.csv", accept=0.5)
apply_changes("labels/changes.csv", "labels/train", to="labels/mended")

def learned(data, run):
    return cl.evaluate(cl.train("classify", data, out=run, **trunk).load(), "labels/test")

before = learned("labels/train", "labels/run-before")
after = learned("labels/mended", "labels/run-after")
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=60,
)
