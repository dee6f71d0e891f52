"""The studio in headless Chromium, as somebody uses it: a server of its own, a folder of pictures, a mouse and keys.

Slow to set up (a browser, trainings, axe-core by npm), so not among the default tests: `make test-browser`.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.data import read_data
from convolens.media.images import write_image
from tests.chromium import axe, chromium  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=document.title='pwned'>"
SLOW = 240_000  # milliseconds that a training may take on a busy machine


class Studio:
    """A studio of a folder, as its command starts it."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        command = [sys.executable, "-m", "convolens", "studio", str(self.folder), "--no-browser", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        self.base = self.address.partition("/?")[0]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.process.stdout.close()


def stripes(random, across, size=48):
    """A picture of stripes, upright or lying, that a head learns in seconds."""
    wave = 100 + 80 * np.sin(np.arange(size) / random.uniform(1.2, 3) + random.uniform(0, 6))
    picture = np.broadcast_to(wave if across else wave[:, None], (size, size))
    return np.repeat((picture + random.normal(0, 12, (size, size))).clip(0, 255).astype(np.uint8)[..., None], 3, 2)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for name, across in (("upright", True), ("lying", False)):
        (tmp_path / "work" / "stripes" / name).mkdir(parents=True)
        for number in range(10):
            write_image(tmp_path / "work" / "stripes" / name / f"{number}.png", stripes(random, across))
    write_image(tmp_path / "new.png", stripes(random, True))
    photo = np.zeros((1224, 1632, 3), np.uint8)  # two megapixels
    photo[300:900, 400:1200] = (200, 120, 60)
    write_image(tmp_path / "photo.jpg", photo + random.integers(0, 50, photo.shape, np.uint8))
    return tmp_path / "work"


@pytest.fixture
def studio(folder):
    made = Studio(folder)
    yield made
    made.end()


@pytest.fixture
def opened(chromium, studio):  # noqa: F811
    """Opens the studio as the printed address does; a script that fails, or a request elsewhere, fails the test."""
    contexts = []

    def open_page(**options):
        context = chromium.new_context(**options)
        page = context.new_page()
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda one: page.wrong.append(one.text) if "Security Policy" in one.text else None)
        page.on("request", lambda one: page.wrong.append(one.url) if not is_ours(one.url) else None)
        page.goto(studio.address)
        contexts.append(context)
        return page

    def is_ours(url):
        return url.startswith((studio.base, "blob:", "data:"))

    yield open_page
    for context in contexts:
        assert context.pages[0].wrong == []
        context.close()


def dropped(page, studio, path, *, by_button=False):
    page.goto(f"{studio.base}/drop")
    page.set_input_files("#file", path)
    if by_button:
        page.get_by_role("button", name="Look at it").click()
    page.wait_for_url("**/drop/picture?*")


def state(page, wanted):
    page.locator(f".state.{wanted}").first.wait_for(timeout=SLOW)


def begin_a_training(page, studio):
    """One that takes minutes, of which a state to resume from is kept every few seconds."""
    page.goto(f"{studio.base}/teach")
    page.select_option("#data", "stripes")
    page.get_by_text("How", exact=True).click()
    page.select_option("#trunk", "resnet18")
    page.fill("#minutes", "10")
    page.get_by_role("button", name="Teach it").click()
    page.locator(".plot").first.wait_for(timeout=SLOW)  # the curve has begun


def test_a_picture_is_dropped_changed_and_looked_through(opened, studio, folder):
    page = opened(viewport={"width": 1440, "height": 900})
    dropped(page, studio, folder.parent / "photo.jpg")
    before = page.get_attribute("#shown", "src")
    page.focus("#sigma")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#shown').dataset.milliseconds")
    assert page.get_attribute("#shown", "src") != before and "sigma=8" in page.url
    assert page.locator("output").text_content() == "8"
    page.locator("#changed", has_text="--sigma 8").wait_for()
    print("milliseconds from the slider to the picture:", page.get_attribute("#shown", "data-milliseconds"))
    page.get_by_role("link", name="What a network sees").click()
    page.get_by_role("link", name="conv3_3", exact=True).click()
    trunk = cl.trunk("vgg16")
    first = page.locator(".maps .over").first
    first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    rect = page.locator("#field rect")
    assert box(rect) == trunk.trace("conv3_3", 2, 1)
    place = first.bounding_box()
    rows, columns = (int(page.get_attribute("#seen", f"data-{name}")) for name in ("rows", "columns"))
    page.mouse.move(place["x"] + place["width"] * 30.5 / columns, place["y"] + place["height"] * 20.5 / rows)
    assert box(rect) == trunk.trace("conv3_3", 20, 30)
    picture = page.locator(".stuck .over")
    place, (width, height) = picture.bounding_box(), map(int, page.get_attribute("#field", "viewBox").split()[2:])
    page.mouse.click(place["x"] + place["width"] * 100.5 / width, place["y"] + place["height"] * 50.5 / height)
    x1, y1, x2, y2 = box(page.locator(".maps rect").first)
    seeing = [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if holds(trunk.trace("conv3_3", row, column), 100, 50)
    ]
    assert seeing == [(row, column) for row in range(y1, y2) for column in range(x1, x2)]


def test_a_tap_on_a_small_screen_draws_where_a_cell_looks_in_sight(opened, studio, folder):
    page = opened(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    dropped(page, studio, folder.parent / "photo.jpg")
    page.goto(page.url.replace("/picture?", "/seen?") + "&tap=conv3_3")
    last = page.locator(".maps .over").last
    last.scroll_into_view_if_needed()
    place = last.bounding_box()
    page.touchscreen.tap(place["x"] + place["width"] * 0.5, place["y"] + place["height"] * 0.5)
    rows, columns = (int(page.get_attribute("#seen", f"data-{name}")) for name in ("rows", "columns"))
    rect = page.locator("#field rect")
    assert box(rect) == cl.trunk("vgg16").trace("conv3_3", rows // 2, columns // 2)
    drawn = rect.bounding_box()
    assert drawn["y"] >= 0 and drawn["y"] + drawn["height"] < place["y"]


def box(rect):
    x, y, width, height = (int(rect.get_attribute(name)) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def holds(field, x, y):
    return field[0] <= x < field[2] and field[1] <= y < field[3]


def test_classes_are_made_taught_played_with_corrected_and_taught_again(opened, studio, folder):
    page = opened()
    page.goto(f"{studio.base}/teach")
    page.fill("#name", "my stripes")
    page.fill("#classes", "upright\nlying")
    page.get_by_role("button", name="Make them").click()
    for name in ("lying", "upright"):
        section = page.locator(".class", has=page.get_by_role("heading", name=name))
        section.locator("[type=file]").set_input_files(sorted((folder / "stripes" / name).iterdir()))
        page.locator(".class", has_text=re.compile(f"{name} 10 pictures")).wait_for()
    page.get_by_role("button", name="Teach it").click()
    state(page, "done")
    page.get_by_role("link", name="Play with it").click()
    page.set_input_files("#file", folder.parent / "new.png")
    page.wait_for_url("**file=*")
    assert page.locator("#answer").text_content() == "upright"
    page.get_by_role("button", name="lying", exact=True).click()
    page.get_by_text("Noted: this is lying").wait_for()
    assert len(list((folder / ".studio" / "data" / "my stripes" / "lying").iterdir())) == 11
    page.get_by_role("button", name="Teach it again").click()
    state(page, "done")
    assert sorted(one.name for one in (folder / ".studio" / "runs").iterdir()) == ["my stripes", "my stripes-2"]
    assert len(list((folder / "stripes").glob("*/*"))) == 20


def test_pictures_chosen_before_the_scripts_have_come_are_sent_when_they_have(opened, studio, folder):
    page = opened()
    page.goto(f"{studio.base}/teach")
    page.fill("#name", "chosen early")
    page.fill("#classes", "upright\nlying")
    held = []
    page.route("**/static/camera.js", lambda request: held.append(request))
    page.get_by_role("button", name="Make them").click(no_wait_after=True)
    page.set_input_files("#file-1", sorted((folder / "stripes" / "upright").iterdir()))
    for request in held:
        request.continue_()
    page.unroute("**/static/camera.js")
    page.locator("#class-1", has_text="10 pictures").wait_for()


def test_boxes_are_drawn_on_the_spot_and_written_as_data_to_teach(opened, studio, folder):
    page = opened(viewport={"width": 1440, "height": 900})
    page.goto(f"{studio.base}/teach")
    page.locator("#with-boxes summary").click()
    page.fill("#boxes-name", "marks")
    page.fill("#boxes-classes", "mark")
    page.set_input_files("#boxes-file", sorted((folder / "stripes" / "lying").iterdir())[:2])
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Draw boxes in marks").click()
    page.wait_for_url("**/mend/1")
    while not page.locator("main a[href^='/mend/1/2']").count():  # it is read in the background
        page.wait_for_timeout(500)
        page.reload()
    for number, keys in ((1, False), (2, True)):
        page.goto(f"{studio.base}/mend/1/{number}")
        place = page.locator("main img").first.bounding_box()
        if keys:
            page.keyboard.press("n")
        else:
            page.mouse.move(place["x"] + 30, place["y"] + 30)
            page.mouse.down()
            page.mouse.move(place["x"] + 200, place["y"] + 150, steps=4)
            page.mouse.up()
        page.get_by_role("button", name="These are the boxes").click()
        page.wait_for_load_state("networkidle")
    page.goto(f"{studio.base}/mend/1")
    page.get_by_role("button", name="Write", exact=True).click()
    state(page, "done")
    data = read_data(folder / ".studio" / "data" / "marks-mended")
    assert [len(one.boxes) for one in data.examples] == [1, 1]
    page.goto(f"{studio.base}/teach")
    page.select_option("#data", ".studio/data/marks-mended")


def test_a_wrong_box_is_drawn_anew_in_play(opened, studio, folder):
    run = folder / ".studio" / "runs" / "marks"
    run.mkdir(parents=True)
    detector = cl.detector("resnet18", classes=["mark"], width=0.25, size=96)
    with torch.no_grad():
        for head in detector.heads.classes:
            head.bias.view(-1, 2)[:, 0] += 99  # it finds nothing
    detector.save(run / "best.safetensors")
    page = opened(viewport={"width": 1440, "height": 900})
    page.goto(f"{studio.base}/teach/play?run=.studio/runs/marks&file=stripes/lying/0.png")
    page.get_by_text("Wrong? Draw the boxes that are right").click()
    page.locator(".stage.drawing").wait_for()
    place = page.locator("#stage img").bounding_box()
    page.mouse.move(place["x"] + place["width"] * 0.25, place["y"] + place["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.75, place["y"] + place["height"] * 0.5, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="These are the boxes").click()
    page.get_by_text("Noted: this is 1 box").wait_for()
    [one] = read_data(folder / ".studio" / "data" / "marks-corrected").examples
    assert one.boxes[0].xyxy == pytest.approx((12, 12, 36, 24), abs=1)


def test_a_job_is_cancelled_and_keeps_what_it_has(opened, studio, folder):
    page = opened()
    begin_a_training(page, studio)
    page.get_by_role("button", name="Stop, and keep what it has").click()
    state(page, "stopped")
    assert (folder / ".studio" / "runs" / "stripes" / "last.ckpt").is_file()


def test_a_server_that_is_killed_finds_its_training_again_and_resumes_what_was_cut(opened, studio, folder):
    page = opened()
    begin_a_training(page, studio)
    kept = folder / ".studio" / "runs" / "stripes" / "last.ckpt"
    while not kept.is_file():  # what is resumed below
        page.wait_for_timeout(200)
    studio.kill()  # the server alone: its training goes on
    studio.start()
    page.goto(studio.address)
    page.goto(f"{studio.base}/jobs/1")
    page.wait_for_timeout(1000)
    assert page.locator(".state.running").count() == 1
    worker = folder / ".studio" / "jobs" / "1"
    child = int((worker / "pid").read_text())
    parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    studio.kill()  # and now the machine
    os.kill(parent, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    studio.start()
    page.goto(studio.address)
    page.goto(f"{studio.base}/jobs/1")
    state(page, "cut")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_url("**/jobs/2")
    log = folder / ".studio" / "runs" / "stripes" / "log.jsonl"
    for _ in range(SLOW // 500):
        if '"resumed"' in log.read_text():
            break
        page.wait_for_timeout(500)
    assert '"resumed"' in log.read_text()
    page.get_by_role("button", name="Stop, and keep what it has").click()
    state(page, "stopped")
    page.wrong[:] = [one for one in page.wrong if not one.startswith("http://127.0.0.1")]  # of the server before


def test_a_picture_is_taken_by_the_camera_and_a_sound_by_the_microphone(opened, studio, folder):
    page = opened()
    page.goto(f"{studio.base}/drop")
    page.get_by_role("button", name="Take a picture").click()
    page.get_by_role("button", name="Now").click()
    page.wait_for_url("**/drop/picture?*")
    assert page.evaluate("document.querySelector('#shown').naturalWidth") > 100
    page.goto(f"{studio.base}/drop")
    page.get_by_role("button", name="Record a sound").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop recording").click()
    page.wait_for_url("**/drop/sound?*")
    samples, rate = cl.read_audio(folder / ".studio" / "uploads" / "microphone.wav")
    assert len(samples) > rate / 2 and abs(samples).max() > 0.01  # it beeps


def test_names_that_hold_a_script_run_none(opened, studio, folder):
    (folder / HOSTILE).mkdir()
    write_image(folder / "shot.png", np.zeros((40, 40, 3), np.uint8))
    (folder / "shot.png").rename(folder / f"{HOSTILE}.png")
    page = opened()
    for path in (
        "/teach",
        f"/drop/picture?file={HOSTILE}.png",
        f"/drop/seen?file={HOSTILE}.png",
        f"/nowhere/{HOSTILE}",
    ):
        page.goto(f"{studio.base}{path}")
        assert page.title() != "pwned" and page.locator("img[src=x]").count() == 0, path


def test_a_picture_is_dropped_and_changed_without_javascript(opened, studio, folder):
    page = opened(java_script_enabled=False)
    dropped(page, studio, folder.parent / "photo.jpg", by_button=True)
    page.get_by_role("link", name="Edges", exact=True).click()
    page.focus("#gain")
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Show").click()
    assert "gain=2.1" in page.get_attribute("#shown", "src")


SCREENS = (
    "/",
    "/drop",
    "/drop/picture?file=photo.jpg",
    "/drop/seen?file=photo.jpg",
    "/teach",
    "/restyle",
    "/take",
    "/jobs",
)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_every_screen_is_accessible_and_as_wide_as_it_is_shown(opened, studio, folder, axe, width, scheme):  # noqa: F811
    (folder / "photo.jpg").write_bytes((folder.parent / "photo.jpg").read_bytes())
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in SCREENS:
        page.goto(f"{studio.base}{path}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], path
