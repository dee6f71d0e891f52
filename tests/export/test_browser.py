"""The page in headless Chromium: opened from the disk, without network. What it answers is what the model does.

Slow to set up (a browser, and 15 MB by npm, once), so not among the default tests: `make test-browser`.
"""

import base64
import re
import shutil
from importlib.resources import as_file, files
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from tests.chromium import chromium  # noqa: F401 - a fixture
from tests.export.conftest import decided, export, picture, trunk

pytestmark = pytest.mark.browser
HOSTILE = "</script><img src=x onerror=document.title='pwned'>"
# Of a picture that is not shown, by the page's own functions: all outputs, as lists.
LOOK = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { outputs } = await told(bitmap, bitmap.width, bitmap.height);
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data)]));
}"""


@pytest.fixture
def opened(chromium):  # noqa: F811
    """Opens a page's folder; a script that fails fails the test."""
    contexts = []

    def open_page(folder, **options):
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("request", lambda one: page.wrong.append(one.url) if one.url.startswith("http") else None)
        page.goto((folder / "index.html").resolve().as_uri())
        page.locator("#status", has_text=re.compile("Ready|cannot")).wait_for()
        assert page.text_content("#status") == "Ready."
        return page

    yield open_page
    for context in contexts:
        assert context.pages[0].wrong == []
        context.close()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    with as_file(files("convolens.tour") / "digits") as shipped:
        shutil.copytree(shipped, folder, dirs_exist_ok=True)
    model = cl.load(folder / "digits.safetensors", device="cpu")
    export(model, folder / "digits.onnx", page=folder / "page", check=[folder / "0.png"])
    return model, folder


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    body = trunk(resize=64, crop=48)
    model = decided(cl.classifier(body, classes=[HOSTILE, "bee", "cat"], taps=["layer1.1", "layer2.0"]))
    export(model, folder / "kinds.onnx", page=folder / "page", check=[picture(60, 80)])
    return model, folder


def give(page, *pictures):
    page.set_input_files("#files", list(pictures))
    page.locator("#status", has_text=re.compile("Done|need|cannot")).wait_for()
    return page.text_content("#status")


def look(page, pixels):
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return page.evaluate(LOOK, base64.b64encode(content.getvalue()).decode())


@pytest.mark.parametrize("width", [1440, 390])
def test_the_tours_digits_are_found(digits, opened, width):
    model, folder = digits
    page = opened(folder / "page", viewport={"width": width, "height": 900}, color_scheme="dark")
    photos = sorted(folder.glob("*.png"))
    assert give(page, *photos) == f"Done: {len(photos)} pictures."
    for photo, card in zip(reversed(photos), page.locator(".card").all(), strict=True):
        found = model.predict(photo)
        assert card.locator("h2").text_content() == photo.name
        shown = [one.text_content() for one in card.locator(".answer").all()]
        assert shown == [f"{label}{score:.1%}" for label, score in zip(found.labels, found.scores, strict=True)]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_boxes_are_the_models(digits, opened):
    model, folder = digits
    page = opened(folder / "page")
    for photo in sorted(folder.glob("*.png")):
        outputs, mine = look(page, np.asarray(Image.open(photo).convert("RGB"))), model.predict(photo, threshold=0.05)
        np.testing.assert_allclose(outputs["scores"], mine.scores, atol=1e-4)
        np.testing.assert_allclose(np.reshape(outputs["boxes_xyxy"], (-1, 4)), mine.boxes_xyxy, atol=0.5)


def test_the_threshold_by_keys(digits, opened):
    model, folder = digits
    page = opened(folder / "page")
    give(page, folder / "1.png")
    page.locator("#threshold").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")  # by 5 points, from 50
    assert page.locator("#threshold-value").text_content() == "90.0%"
    assert page.locator(".answer").count() == len(model.predict(folder / "1.png", threshold=0.9))


def test_why_a_class_and_a_hostile_name(kinds, opened, tmp_path):
    model, folder = kinds
    page = opened(folder / "page")
    Image.fromarray(picture(90, 140)).save(tmp_path / "photo.png")
    assert give(page, tmp_path / "photo.png") == "Done."
    assert page.title() == "kinds"
    assert page.locator(".answer", has_text=HOSTILE).count() == 1
    assert page.locator("img").count() == 0
    canvas = "document.querySelector('.card canvas').toDataURL()"
    before = page.evaluate(canvas)
    page.locator(".answer", has_text="bee").focus()
    page.keyboard.press("Enter")
    assert page.locator(".answer[aria-pressed=true]").text_content().startswith("bee")
    assert page.evaluate(canvas) != before
    why = cl.explain(model, picture(90, 140), method="cam", target="bee")
    place = page.evaluate("inputOf(140, 90)")
    assert (place["rows"], place["columns"]) == (48, 48)
    resized = (64, 64 * 140 // 90)
    expected = [round((resized[1] - 48) / 2) * 140 / resized[1], round((resized[0] - 48) / 2) * 90 / resized[0]]
    assert [place["x"], place["y"]] == pytest.approx(expected)
    assert (why.heatmap[:, : int(place["x"])] == 0).all()


def test_the_heat_is_that_of_explain(kinds, opened):
    model, folder = kinds
    page, pixels = opened(folder / "page"), picture(64, 64)
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    script = LOOK.replace(
        "return Object.fromEntries", "return Array.from(heatOf(outputs, 1, inputOf(64, 64)).heat); ({})"
    )
    heat = page.evaluate(script, base64.b64encode(content.getvalue()).decode())
    why = cl.explain(model, pixels, method="cam", target="bee")
    np.testing.assert_allclose(np.reshape(heat, (48, 48)), why.heatmap[8:56, 8:56], atol=1e-3 * abs(why.heatmap).max())


def test_what_is_no_picture_is_a_sentence(kinds, opened, tmp_path):
    page = opened(kinds[1] / "page")
    (tmp_path / "words.png").write_text("no picture")
    assert give(page, tmp_path / "words.png") == "words.png: need a picture, got what this browser cannot read."
    assert page.locator(".card").count() == 0


def test_a_folder_that_lacks_a_file_says_which(kinds, chromium, tmp_path):  # noqa: F811
    shutil.copytree(kinds[1] / "page", tmp_path / "page")
    (tmp_path / "page" / "model-0.js").unlink()
    context = chromium.new_context()
    page = context.new_page()
    page.goto((tmp_path / "page" / "index.html").as_uri())
    page.locator("#status", has_text="model-0.js is missing beside this page; copy the whole folder").wait_for()
    context.close()
