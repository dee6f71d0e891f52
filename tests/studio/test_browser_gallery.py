"""Look, Mend and Measure in headless Chromium: by keyboard alone, without scripts, and what axe-core has to say.

Slow to set up (a browser), so not among the default tests: `make test-browser`.
"""

import json
import socket
import threading
import time
from contextlib import suppress

import pytest
import uvicorn

from convolens.data import read_data
from convolens.studio.app import create_app
from convolens.studio.gallery.listing import page_of
from convolens.studio.gallery.view import View
from convolens.studio.project import Project
from convolens.studio.security import Guard
from tests.chromium import axe, chromium  # noqa: F401 - fixtures
from tests.studio.browser_data import SHAPES, shapes_project
from tests.studio.gallery_data import HOSTILE, folders, looked_through, predicted, took

pytestmark = pytest.mark.browser
SERIOUS = ("serious", "critical")
MANY = 1500
# Whether every list that is seen has its cards.
FILLED = """[...document.querySelectorAll('.cards')].every((list) => {
  const { top, bottom } = list.getBoundingClientRect();
  return bottom < 0 || top > innerHeight || list.children.length;
})"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The studio of a project with shapes and a street, and predictions for both; its application and its address."""
    root = tmp_path_factory.mktemp("work")
    shapes_project(root)
    app = create_app(Project.in_folder(root))
    app.state.shapes = looked_through(app.state.database, root / "shapes")
    app.state.street = looked_through(app.state.database, root / "street")
    rows = page_of(app.state.database, View(app.state.shapes.id), SHAPES, count=100).pictures
    said = {}
    for at, row in enumerate(rows):
        other = SHAPES[(SHAPES.index(row.labels[0]) + 1) % 3]
        said[str(row.path)] = (other, 0.9 - at / 100, row.labels[0]) if at % 5 == 0 else (row.labels[0], 0.8, other)
    predicted(app.state.database, app.state.shapes, root, said)
    rows = page_of(app.state.database, View(app.state.street.id), ("car", "van")).pictures
    boxes = [[[2, 3, 12, 11], [20, 5, 35, 25]][: 2 - at % 3] for at in range(len(rows))]
    lines = [{"path": str(row.path), "labels": ["car", "van"][: len(some)], "scores": [0.9, 0.8][: len(some)],
              "boxes_xyxy": some} for row, some in zip(rows, boxes, strict=True)]  # fmt: skip
    took(app.state.database, app.state.street, root, lines)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(Guard(app, "t", "127.0.0.1", port), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def opened(chromium, studio):  # noqa: F811
    """Opens an address of the studio; a script that fails, a dialog, or a request to elsewhere fails the test."""
    contexts, wrong = [], []

    def open_page(address, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda one: wrong.append(one.message) or one.dismiss())
        page.on("request", lambda one: wrong.append(one.url) if not one.url.startswith((studio[1], "data:")) else None)
        page.goto(f"{studio[1]}/?token=t")
        page.goto(studio[1] + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def wait(page, expression, arg=None):
    """Until it is so. (Playwright's own way to wait evaluates a text in the page, which the policy forbids.)"""
    from playwright.sync_api import Error

    end = time.monotonic() + 60
    while True:
        with suppress(Error):  # the page is being left
            if page.evaluate(expression, arg):
                return
        assert time.monotonic() < end, f"{expression}: {page.inner_text('main')}"
        time.sleep(0.05)


def names(page):
    return page.locator(".card .where").all_text_contents()


def decisions(page):
    return " ".join(page.inner_text("#counts").split())


def test_three_of_the_grids_mistakes_are_relabelled_by_keys_and_undone(studio, opened):
    app, _ = studio
    page = opened(f"/mend/{app.state.shapes.id}?model=1&order=mistake")
    before = names(page)
    assert before[0] == "circle/0.png" and len(before) == 12
    page.keyboard.press("j")
    for key in ("r", "r", "3"):
        was = page.text_content("#counts")
        page.keyboard.press(key)
        wait(page, "was => document.getElementById('counts').textContent !== was", arg=was)
    assert decisions(page) == "3 relabelled, 57 undecided"
    labels = page.locator(".card .says").all_inner_texts()[:3]
    assert labels[:2] == ["circle → cross", "circle → cross"] and labels[2].endswith("→ square")
    page.keyboard.press("u")
    wait(page, "document.getElementById('counts').textContent.includes('2 relabelled')")
    assert page.evaluate("document.activeElement.closest('.card').querySelector('.where').textContent") == before[2]
    for count in ("1 relabelled", "60 undecided"):
        page.keyboard.press("u")
        wait(page, "words => document.getElementById('counts').textContent.includes(words)", arg=count)
    assert decisions(page) == "60 undecided"
    assert names(page) == before
    page.keyboard.press("u")
    wait(page, "document.querySelector('.said').textContent.includes('nothing is left')")


def test_boxes_are_relabelled_and_moved_by_keys_and_written_as_coco(studio, opened):
    app, address = studio
    page = opened(f"/mend/{app.state.street.id}?model={2}&order=mistake")
    before = names(page)
    assert before[0].endswith(("2.png", "5.png"))  # nothing was found in them
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage")
    for number in range(3):
        wait(page, "document.querySelector('.stage.drawing') !== null")  # the script is there
        assert page.inner_text("h1") == before[number]
        page.keyboard.press("b")
        page.keyboard.press("2")  # the car is a van
        page.keyboard.press("Control+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("f")
        wait(page, "name => document.querySelector('h1')?.textContent !== name", arg=before[number])
    wait(page, "document.querySelector('.stage.drawing') !== null")
    page.keyboard.press("u")
    wait(page, "name => document.querySelector('h1')?.textContent === name", arg=before[2])
    page.goto(f"{address}/mend/{app.state.street.id}")
    assert decisions(page) == "2 fixed, 4 undecided"
    page.select_option("#form", "coco")
    page.fill("#name", "street-mended")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    page.wait_for_selector(".state.done", timeout=120_000)
    new = read_data(app.state.project.data / "street-mended")
    told = {one.path.name: [(new.class_names[box.label], *box.xyxy) for box in one.boxes] for one in new.examples}
    fixed = {name.rpartition("/")[2] for name in before[:2]}
    assert told == {
        f"{at}.png": [("van", 12, 3, 22, 12) if f"{at}.png" in fixed else ("car", 2, 3, 12, 11), ("van", 20, 5, 35, 25)]
        for at in range(6)
    }
    assert [box.xyxy for one in read_data(app.state.street.path).examples for box in one.boxes[:1]] == [
        (2, 3, 12, 11)
    ] * 6


def test_a_box_is_drawn_moved_and_stretched_by_mouse(studio, opened):
    app, _ = studio
    page = opened(f"/mend/{app.state.street.id}")
    page.locator(".card a").last.click()
    seen = page.locator("#stage svg").bounding_box()

    def at(x, y):
        return seen["x"] + x / 40 * seen["width"], seen["y"] + y / 30 * seen["height"]

    def drag(begin, end):
        page.mouse.move(*at(*begin))
        page.mouse.down()
        page.mouse.move(*at(*[(a + b) / 2 for a, b in zip(begin, end, strict=True)]))
        page.mouse.move(*at(*end))
        page.mouse.up()

    def corners():
        return [float(one) for one in page.locator("#rows input").last.input_value().split()]

    drag((5, 15), (15, 25))
    assert corners() == pytest.approx([5, 15, 15, 25], abs=0.3)
    drag((10, 20), (12, 21))
    assert corners() == pytest.approx([7, 16, 17, 26], abs=0.3)
    drag((17, 26), (30, 40))
    assert corners() == pytest.approx([7, 16, 30, 30], abs=0.3)
    assert page.locator("#rows input").count() == 3
    page.keyboard.press("Delete")
    assert page.locator("#rows input").count() == 2


def test_scrolling_through_many_keeps_few_in_the_document(studio, opened, tmp_path):
    app, _ = studio
    root = app.state.project.folder / "many"
    folders(root, (("cat", MANY // 2), ("dog", MANY // 2)), ("train",)) if not root.exists() else None
    data = looked_through(app.state.database, root)
    page = opened(f"/look/{data.id}", viewport={"width": 1280, "height": 800})
    height = page.evaluate("document.documentElement.scrollHeight")
    seen, most = set(), 0
    for step in range(0, 101, 4):
        page.evaluate("part => scrollTo(0, part * (document.documentElement.scrollHeight - innerHeight))", step / 100)
        wait(page, FILLED)
        seen |= set(names(page))
        most = max(most, page.locator(".card").count())
    assert most <= 600 < MANY
    assert len(seen) > MANY / 2 and any(name.startswith("train/dog") for name in seen)
    assert page.evaluate("document.documentElement.scrollHeight") == pytest.approx(height, rel=0.02)


def test_script_in_names_does_nothing(studio, opened):
    app, _ = studio
    root = folders(app.state.project.folder / "hostile", ((HOSTILE.replace("/", "-"), 1), ("plain", 1)), ("train",))
    (root / "train/plain/0.png").rename(root / "train/plain" / "'\"><img src=x onerror=alert(2)>.png")
    data = looked_through(app.state.database, root)
    for address in (f"/look/{data.id}", f"/mend/{data.id}", "/look", "/measure"):
        page = opened(address)
        page.wait_for_load_state("networkidle")
        assert page.locator("img[src=x]").count() == 0
    page = opened(f"/look/{data.id}")
    page.locator(".card a").last.click()
    page.wait_for_selector("#stage")
    assert "onerror=alert(2)" in page.inner_text("h1")


def test_everything_is_there_without_scripts(studio, opened):
    app, _ = studio
    page = opened(f"/look/{app.state.shapes.id}", java_script_enabled=False)
    page.select_option("#label", "cross")
    page.click("text=Show")
    assert "20 pictures" in page.inner_text("#matching")
    page.locator(".card a").first.click()
    page.click("button:has-text('Set aside')")
    page.click("text=all of this view")
    assert decisions(page) == "1 set aside, 59 undecided"
    page.click("#undo")
    assert decisions(page) == "60 undecided"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(studio, opened, axe, scheme):  # noqa: F811
    app, address = studio
    shapes, street = app.state.shapes.id, app.state.street.id
    [first, *_] = page_of(app.state.database, View(shapes), SHAPES).pictures
    [box, *_] = page_of(app.state.database, View(street), ("car", "van")).pictures
    page = opened("/look", color_scheme=scheme)
    session = page.context.new_cdp_session(page)
    run = (
        "axe.run().then(found => JSON.stringify(found.violations.map(one => [one.impact, one.id, one.nodes[0].html])))"
    )
    for screen in (
        "/look", f"/look/{shapes}?model=1&order=mistake", f"/mend/{shapes}", f"/mend/{shapes}/{first.id}?model=1",
        f"/mend/{street}/{box.id}", "/measure", f"/measure/{shapes}/1", f"/explain/{shapes}/{first.id}?model=1",
    ):  # fmt: skip
        page.goto(address + screen)
        page.wait_for_load_state("networkidle")
        session.send("Runtime.evaluate", {"expression": axe})
        found = session.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
        assert [one for one in json.loads(found["result"]["value"]) if one[0] in SERIOUS] == [], screen
