"""The page of suspects in headless Chromium: fifty decisions by keys alone, saved and applied. `make test-browser`."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data
from convolens.data.conversion import convert
from convolens.labels import LabelCheck, Suspect, apply_changes, as_page
from convolens.labels.change_files import read_changes
from convolens.media.images import write_image
from tests.chromium import chromium  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser
COUNT, DECIDED = 60, 50
KEYS = "krs"  # keep, relabel or fix, set aside
DECISIONS = {"k": "keep", "r": "fix", "s": "set aside"}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).rglob("*") if path.is_file()}


def picture(random, number):
    pixels = random.integers(60, 120, (90, 120, 3)).astype(np.uint8)
    pixels[20:60, 30 + number % 20 : 70 + number % 20] = (200, 90 + number, 60)
    return pixels


@pytest.fixture
def labels(tmp_path):
    """Sixty pictures of two classes, all doubtful."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        path = tmp_path / "data" / ("cat" if number % 2 else "dog") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, picture(random, number))
    data = read_data(tmp_path / "data")
    suspects = []
    for at, one in enumerate(data.examples):
        label, other = data.class_names[one.labels[0]], data.class_names[1 - one.labels[0]]
        suspects.append(Suspect(one.path, label, other, 0.99 - at / 100, data.examples[at - 1].path, one.path))
    return LabelCheck(data, COUNT, 0.8, (0.7, 0.9), 20.0, tuple(suspects), (), ("few pictures",), ())


@pytest.fixture
def boxes(tmp_path):
    """Sixty pictures with a box each, invented, missing, shifted or confused in turn."""
    (tmp_path / "csv/images").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = ["path,label,x1,y1,x2,y2"]
    for number in range(COUNT):
        write_image(tmp_path / f"csv/images/{number:02}.png", picture(random, number))
        rows.append(f"images/{number:02}.png,{('car', 'van')[number % 2]},{30 + number % 20},20,{70 + number % 20},60")
    (tmp_path / "csv/data.csv").write_text("\n".join(rows) + "\n")
    convert(tmp_path / "csv", tmp_path / "data", to="coco", progress=False)
    data = read_data(tmp_path / "data")
    suspects = []
    for at, one in enumerate(data.examples):
        name, box = data.class_names[one.labels[0]], tuple(map(float, one.boxes[0].xyxy))
        near = tuple(side + 8.5 for side in box)
        said, label, suggested, likely = [
            (box, name, "", None), (None, "", name, near), (box, name, name, near),
            (box, name, data.class_names[1 - one.labels[0]], box),
        ][at % 4]  # fmt: skip
        suspects.append(Suspect(one.path, label, suggested, 0.99 - at / 100, box_xyxy=said, suggested_box=likely))
    return LabelCheck(data, COUNT, 0.8, (0.7, 0.9), 20.0, tuple(suspects), (), (), ())


@pytest.mark.parametrize("kind", ["labels", "boxes"])
def test_fifty_decisions_by_keys_alone_are_saved_and_applied_and_touch_no_file(kind, request, chromium, tmp_path):  # noqa: F811
    checked = request.getfixturevalue(kind)
    before = digests(tmp_path / "data")
    file = tmp_path / "page.html"
    file.write_text(as_page(checked), encoding="utf-8")
    page = chromium.new_page(viewport=DESKTOP)
    page.goto(file.as_uri())
    start = time.monotonic()
    for at in range(DECIDED):
        page.keyboard.press(KEYS[at % 3])
    took = time.monotonic() - start
    assert page.locator("#count").inner_text() == f"{DECIDED} of {COUNT} decided"
    assert took < 120
    page.keyboard.press("u")
    assert page.locator("#count").inner_text() == f"{DECIDED - 1} of {COUNT} decided"
    page.keyboard.press(KEYS[(DECIDED - 1) % 3])
    page.reload()  # what was decided is remembered
    assert page.locator("#count").inner_text() == f"{DECIDED} of {COUNT} decided"
    with page.expect_download() as download:
        page.keyboard.press("d")
    changes = tmp_path / "labels.changes.csv"
    download.value.save_as(changes)
    assert [one.decision for one in read_changes(changes)] == [
        *(DECISIONS[KEYS[at % 3]] for at in range(DECIDED)), *[""] * (COUNT - DECIDED)
    ]  # fmt: skip
    assert digests(tmp_path / "data") == before
    gone = checked.suspects[4].path  # to be fixed, and no longer there
    gone.rename(tmp_path / "gone.png")
    if kind == "labels":
        mended = apply_changes(changes, tmp_path / "data", to=tmp_path / "new", progress=False)
        assert len(mended.gone) == 1 and mended.gone[0].endswith(gone.name)
        assert (mended.relabelled, mended.set_aside, mended.kept) == (16, 16, 17)
    (tmp_path / "gone.png").rename(gone)
    if kind == "boxes":
        mended = apply_changes(changes, tmp_path / "data", to=tmp_path / "new", progress=False)
        assert (mended.fixed, mended.set_aside, mended.kept) == (17, 16, 17)
    assert digests(tmp_path / "data") == before


@pytest.mark.parametrize("kind", ["labels", "boxes"])
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_fits_the_screen_and_its_buttons_a_finger(kind, screen, request, chromium, tmp_path):  # noqa: F811
    (tmp_path / "page.html").write_text(as_page(request.getfixturevalue(kind)), encoding="utf-8")
    page = chromium.new_page(viewport=screen)
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    for button in page.locator(".card").first.locator("button").all():
        assert button.bounding_box()["height"] >= 40
    page.locator(".card button[data-decision=keep]").first.click()
    assert page.locator("#count").inner_text() == f"1 of {COUNT} decided"
    page.screenshot(path=str(tmp_path / "page.png"))
