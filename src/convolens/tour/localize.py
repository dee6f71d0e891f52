"""Section: a localizer of handwritten digits, trained while you wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from convolens.media.images import read_image
from convolens.pages.figures import Marked, named, numbers, picture, row
from convolens.tour.hidden import write_hidden
from convolens.tour.section import Section

MODEL = "hidden/run/best.safetensors"
_TRAINING, _TEST, _SHOWN = 1500, 200, 8


def _prepare() -> None:
    write_hidden("hidden/train", _TRAINING, test=False)
    write_hidden("hidden/test", _TEST, test=True)


def _show(made: Mapping[str, Any]) -> Sequence[Markup]:
    metrics = made["run"].metrics
    pictures = [
        picture(read_image(photo), _caption(one), describe="A small photo, perhaps with a digit on it",
                marks=[Marked(_whole(one.box_xyxy), one.label)] if one.label else [])
        for photo, one in list(zip(made["photos"], made["found"], strict=True))[:_SHOWN]
    ]  # fmt: skip
    return [
        row(*pictures),
        numbers([
            (f"{metrics['object_accuracy']:.0%}", "of all pictures: whether there is a digit, predicted correctly"),
            (f"{metrics['class_accuracy']:.0%}", "of the digits classified correctly; one in ten is chance"),
            (f"{metrics['mean_iou']:.2f}", "mean IoU of its boxes with the true ones (1 would be exact)"),
        ]),
    ]  # fmt: skip


def _caption(found: Any) -> str:
    return named(f"{found.label}", f", score {found.score:.0%}.") if found.label else named("None.")


def _whole(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = map(round, box)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


SECTION = Section(
    name="localize",
    title="Is there a digit, which, and where?",
    prose=f"""
Every cell of a map predicts whether its part of the picture shows a digit, which one, and where its box is. The
prediction for the whole picture is their mean, weighted by how sure each cell is that there is a digit. All of it is
trained together, by one loss: the sum of three, for whether, which and where.

This small network began with random weights when this page was made. It was trained on {_TRAINING:,} pictures; those
here are others: other photos, other people's handwriting.
""",
    commands=(
        "convolens train localize hidden/train/pictures.csv --trunk resnet18 --width 0.25 --tap layer2.1 --batch 16 "
        "--lr 0.003 --epochs 8 --scale 0.8 1.2 --no-flip --validation hidden/test/pictures.csv --out hidden/run "
        "--overwrite",
        f"convolens predict {MODEL} hidden/test --out hidden/found",
    ),
    python=f"""\
from pathlib import Path
import convolens as cl

run = cl.train(
    "localize", "hidden/train/pictures.csv", out="hidden/run", overwrite=True,
    validation="hidden/test/pictures.csv",
    trunk="resnet18", weights=None, width=0.25, taps="layer2.1",
    batch=16, lr=3e-3, epochs=8, scale=(0.8, 1.2), flip=False,
)
photos = sorted(Path("hidden/test").glob("*.png"))
found = cl.load("{MODEL}").predict(photos)
""",
    prepare=_prepare,
    show=_show,
    budget_seconds=60,
)
