"""Makes the pictures that open the pages of the site: `docs/pictures/opening-PAGE`, one for each function here.

    python -m docs.make_page_pictures [PAGE …]

From the photos that the tour uses, its detector, and what the package itself says of a trunk or a schedule. A minute.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

import convolens as cl
from convolens.media.draw import draw_boxes, sheet
from convolens.tour.pictures import photo
from convolens.tour.surfaces import SURFACES, surface
from convolens.training.schedules import lr_fraction
from examples.defects import write_defects

FOLDER = Path(__file__).parent / "pictures"
DIGITS = Path(cl.__file__).parent / "tour" / "digits"
BLUE, ORANGE, GRAY = "#3b6fb6", "#d9822b", "#8a8f98"  # readable on the light scheme's white, which every picture has


def crops(name: str, count: int, side: int = 96) -> list[np.ndarray]:
    """Places of a surface's photo, side by side in it."""
    whole = surface(name, test=False)
    return [np.repeat(whole[:side, at * 33 : at * 33 + side, None], 3, 2) for at in range(count)]


def figure(width: float = 8.0, height: float = 2.6) -> Axes:
    """Axes without frame."""
    axes: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    axes.set_axis_off()
    return axes


def saved(name: str, suffix: str = "png") -> None:
    """Writes the figure at hand."""
    pyplot.savefig(FOLDER / f"opening-{name}.{suffix}", dpi=110, facecolor="white")
    pyplot.close()


def flow(name: str, steps: list[list[str]], *, height: float = 2.4) -> None:
    """Columns of boxes, each column an arrow away from the one before."""
    axes = figure(height=height)
    axes.set_xlim(0, len(steps))
    axes.set_ylim(0, 1)
    for column, words in enumerate(steps):
        for row, text in enumerate(words):
            y = 1 - (row + 0.5) / len(words)
            tall = min(0.6, 0.8 / len(words))
            box = FancyBboxPatch(
                (column + 0.1, y - tall / 2), 0.72, tall, boxstyle="round,pad=0.02", facecolor="white",
                edgecolor=(BLUE, ORANGE)[column % 2], linewidth=1.6,
            )  # fmt: skip
            axes.add_patch(box)
            axes.text(column + 0.46, y, text, ha="center", va="center", fontsize=10)
        if column:
            arrow = {"arrowstyle": "->", "color": GRAY, "linewidth": 1.6}
            axes.annotate("", (column + 0.06, 0.5), (column - 0.14, 0.5), arrowprops=arrow)
    saved(name)


def your_own_pictures() -> None:
    """A folder a class."""
    shown = [crop for name in SURFACES for crop in crops(name, 4)]
    names = [f"photos/{name}/{number}.png" for name in SURFACES for number in range(4)]
    cl.write_image(FOLDER / "opening-your-own-pictures.jpg", sheet(shown, names, columns=4, height=110))


def your_own_detector() -> None:
    """What the tour's detector finds on the pictures that come with it."""
    detector = cl.load(DIGITS / "digits.safetensors")
    shown = []
    for path in sorted(DIGITS.glob("?.png")):
        found = detector.predict(path)
        shown.append(draw_boxes(path, found.boxes_xyxy, found.labels, found.scores))
    cl.write_image(FOLDER / "opening-your-own-detector.jpg", sheet(shown, [""] * len(shown), columns=4, height=230))


def labels_that_are_wrong() -> None:
    """One picture of gravel among those of grass."""
    shown = crops("grass", 7)
    shown[4] = crops("gravel", 1)[0]
    words = ["grass"] * 7
    words[4] = "“grass”: likely gravel"
    cl.write_image(FOLDER / "opening-labels-that-are-wrong.jpg", sheet(shown, words, columns=7, height=120))


def from_one_format_to_another() -> None:
    """One box, as three formats write it."""
    axes = figure(height=2.7)
    picture = cl.read_image(photo("coffee.png"))
    high, wide = picture.shape[:2]
    axes.imshow(picture, extent=(0, wide, high, 0))
    x, y, w, h = 150, 70, 300, 260
    axes.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=ORANGE, linewidth=2.5))
    texts = (
        ("COCO", f'"bbox": [{x}, {y}, {w}, {h}]'),
        ("Pascal VOC", f"<xmin>{x + 1}</xmin> <ymin>{y + 1}</ymin>\n<xmax>{x + w}</xmax> <ymax>{y + h}</ymax>"),
        ("YOLO", f"0 {(x + w / 2) / wide:.4f} {(y + h / 2) / high:.4f} {w / wide:.4f} {h / high:.4f}"),
    )
    for row, (name, text) in enumerate(texts):
        axes.text(wide + 40, 70 + row * 130, name, color=BLUE, fontsize=11, weight="bold")
        axes.text(wide + 40, 85 + row * 130, text, fontsize=10, family="monospace", va="top")
    axes.set_xlim(0, wide * 2.3)
    saved("from-one-format-to-another", "jpg")


def your_model_elsewhere() -> None:
    """One file, many places."""
    flow("your-model-elsewhere", [["model.safetensors"], ["convolens export"], ["model.onnx\ntakes pictures"],
                                  ["Python without torch", "a browser", "C++, C#, Java, …"]])  # fmt: skip


def from_one_picture_to_a_billion() -> None:
    """Shares and parts."""
    shares, parts = ([f"{word} {at}{of}" for at in (1, 2, 3)] for word, of in (("--shard", "/3"), ("part", "")))
    flow("from-one-picture-to-a-billion", [["s3://…, tar shards,\nParquet, folders"], shares, parts, ["one result"]])


def predicting_over_machines() -> None:
    """A driver and its workers."""
    flow("predicting-over-machines", [["driver:\nlists, cuts blocks"], ["worker", "worker", "worker"],
                                      ["a file a block,\nwhole or not at all"], ["predictions"]])  # fmt: skip


def training_over_machines() -> None:
    """Processes that share a minibatch."""
    flow("training-over-machines", [["a minibatch"], ["process 0", "process 1", "process 2"],
                                    ["gradients\nand norms of all"], ["the same weights\neverywhere"]])  # fmt: skip


def security() -> None:
    """What a file meets."""
    flow("security", [["a stranger’s file"], ["header: kind, sizes"], ["limits: pixels,\nbytes, time"],
                      ["decoded", "refused in\none sentence"]])  # fmt: skip


def how_a_convolution_layer_runs() -> None:
    """Winograd's tiles: 6 × 6 numbers in, 4 × 4 out."""
    axes = figure(height=2.8)
    for left, side, color, words in (
        (0, 6, BLUE, "6 × 6 in"),
        (9, 6, GRAY, "6 × 6 products"),
        (18, 4, ORANGE, "4 × 4 out"),
    ):
        low = (6 - side) / 2
        for row in range(side):
            for column in range(side):
                axes.add_patch(
                    Rectangle((left + column, low + row), 0.9, 0.9, facecolor=color, alpha=0.35 + 0.1 * (row % 2))
                )
        axes.text(left + side / 2, -0.9, words, ha="center", fontsize=11)
    for left, words in ((6.4, "adds"), (15.4, "adds")):
        axes.annotate("", (left + 2.2, 3), (left, 3), arrowprops={"arrowstyle": "->", "color": GRAY, "linewidth": 1.6})
        axes.text(left + 1.1, 3.4, words, ha="center", fontsize=10)
    axes.text(28.5, 3, "36 multiplications\nfor 144", fontsize=13, ha="center", va="center")
    axes.set_xlim(-0.5, 33)
    axes.set_ylim(-1.6, 6.2)
    axes.set_aspect("equal")
    saved("how-a-convolution-layer-runs")


def how_a_training_goes() -> None:
    """The learning rate's schedules."""
    axes: Axes = pyplot.subplots(figsize=(8, 2.4), layout="constrained")[1]
    done = np.linspace(0, 0.999, 400)
    for name, color in (("cosine", BLUE), ("step", ORANGE), ("constant", GRAY)):
        axes.plot(done * 100, [lr_fraction(name, 0.05, float(at)) for at in done], color=color, label=name, linewidth=2)
    axes.set_xlabel("per cent of the training")
    axes.set_ylabel("of the learning rate")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    saved("how-a-training-goes")


def trunks_taps_receptive_fields() -> None:
    """What one feature of a tap sees of a photo."""
    axes = figure(height=3.0)
    picture = cl.read_image(photo("coffee.png"))
    high, wide = picture.shape[:2]
    axes.imshow(picture, extent=(0, wide, high, 0))
    rows = [row for row in cl.receptive_fields(cl.trunk("vgg16")).rows if row.size in (14, 40, 92, 196)]
    for at, (row, color) in enumerate(zip(rows[::-1], ("white", "#ffd166", "#7fd1ff", "#c9f29b"), strict=True)):
        corner = (wide / 2 - row.size / 2, high / 2 - row.size / 2)
        axes.add_patch(Rectangle(corner, row.size, row.size, fill=False, edgecolor=color, linewidth=2.5))
        axes.add_patch(Rectangle((wide + 20, 60 + at * 90), 30, 30, facecolor=color, edgecolor=GRAY))
        words = f"a feature of {row.tap} sees {row.size} × {row.size} pixels"
        axes.text(wide + 65, 77 + at * 90, words, fontsize=11, va="center")
    axes.set_xlim(0, wide * 2.2)
    saved("trunks-taps-receptive-fields", "jpg")


def memory() -> None:
    """Strips of a large picture."""
    axes = figure(height=3.0)
    picture = cl.read_image(photo("coffee.png"))
    blurred = cl.blur(picture, 6)
    wide = picture.shape[1]
    top, bottom, reach = 150, 230, 24
    shown = picture // 3 + 150
    shown[:top] = blurred[:top]
    shown[top - reach : bottom + reach] = picture[top - reach : bottom + reach]
    axes.imshow(shown)
    axes.add_patch(Rectangle((0, top), wide, bottom - top, fill=False, edgecolor=ORANGE, linewidth=2.5))
    for y, words in ((70, "done, written"), (192, "one strip, and what it reaches into"), (330, "not read yet")):
        axes.text(wide + 15, y, words, fontsize=11, va="center")
    axes.set_xlim(0, wide * 1.75)
    saved("memory", "jpg")


def files_read_and_kept() -> None:
    """Sounds and pictures, in and out."""
    flow("files-read-and-kept", [["PNG, JPEG, TIFF, WebP,\nHEIC, JPEG XL, …", "WAV, FLAC, MP3, OGG,\nM4A, films"],
                                 ["pixels as displayed", "samples in [-1, 1]"],
                                 ["depth, ICC, EXIF,\ntags, length kept"]])  # fmt: skip


def networks_that_hear() -> None:
    """Two calls, as waves and as what a network sees of them."""
    rate, random = 16000, np.random.default_rng(0)
    time = np.arange(rate) / rate
    falling, rising = 3000 - 1600 * time, 1200 + 900 * np.sin(2 * np.pi * 6 * time)
    axes = pyplot.subplots(2, 2, figsize=(8, 3.4), layout="constrained", sharex=True, height_ratios=(1, 2))[1]
    for column, (pitch, name) in enumerate(((falling, "a falling call"), (rising, "a trill"))):
        loud = np.sin(np.pi * (time * 3 % 1)) ** 2
        samples = loud * np.sin(2 * np.pi * np.cumsum(pitch) / rate) + 0.003 * random.normal(size=rate)
        seen = np.asarray(cl.spectrogram(samples, rate, n_fft=512, hop=80, mels=64, mel_norm=None))
        axes[0][column].plot(time, samples, color=BLUE, linewidth=0.4)
        axes[0][column].set(title=name, yticks=[])
        decibels = 10 * np.log10(seen / seen.max() + 1e-9)
        axes[1][column].imshow(
            decibels, origin="lower", aspect="auto", cmap="magma", vmin=-60, extent=(0, 1, 0, len(seen))
        )
        axes[1][column].set(xlabel="seconds", yticks=[])
    axes[0][0].set_ylabel("the sound")
    axes[1][0].set_ylabel("what is seen")
    saved("networks-that-hear")


def similar_pictures() -> None:
    """A piece of a photo, mirrored, and those most like it among pieces of seven photos."""
    names = ("coffee.png", "chelsea.png", "astronaut.png", "brick.png", "grass.png", "gravel.png", "ihc.png")
    with TemporaryDirectory() as folder:
        for name in names:
            picture = cl.read_image(photo(name))
            for at in range(9):
                top, left = (at // 3 * (picture.shape[0] - 128) // 2, at % 3 * (picture.shape[1] - 128) // 2)
                cl.write_image(Path(folder) / f"{at}-{name}", picture[top : top + 128, left : left + 128])
        wanted = cl.read_image(Path(folder) / "4-chelsea.png")[:, ::-1]
        trunk = cl.trunk("vgg16", weights="hed")
        found = cl.similar(trunk, wanted, folder, taps="conv4_3", count=6, progress=False)
        shown = [wanted, *map(cl.read_image, found.paths)]
    words = ["looked for", *(f"{score:.2f}" for score in found.scores)]
    cl.write_image(FOLDER / "opening-similar-pictures.jpg", sheet(shown, words, columns=7, height=128))


def what_is_unusual() -> None:
    """A good piece of a wall and three with something on it, and what was found there."""
    with TemporaryDirectory() as folder:
        write_defects(Path(folder), "brick", train=30, test=2)
        data = Path(folder) / "brick"
        model = cl.train("unusual", data, out=Path(folder) / "run", progress=False).load()
        words, shown = [], []
        for kind in ("good", "scratch", "stain", "hole"):
            file = data / "test" / kind / "001.png"
            found = model.predict(file)
            found.save(Path(folder) / "found.png")
            words += [kind, f"{found.label}, {found.score:.2f}"]
            shown += [cl.read_image(file), cl.read_image(Path(folder) / "found.png")]
    cl.write_image(FOLDER / "opening-what-is-unusual.jpg", sheet(shown, words, columns=4, height=128))


def studio() -> None:
    """What a network sees of a photo, in the studio, by Playwright in Chromium."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        cl.write_image(Path(folder) / "coffee.png", cl.read_image(photo("coffee.png")))
        command = [sys.executable, "-m", "convolens", "studio", folder, "--no-browser", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().strip()
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
                page.set_default_timeout(600_000)
                page.goto(address)
                page.goto(address.partition("/?")[0] + "/drop/seen?file=coffee.png&tap=conv3_3")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=FOLDER / "opening-studio.jpg", type="jpeg", quality=80)
                browser.close()
            finally:
                process.terminate()


PAGES: dict[str, Callable[[], None]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        your_own_pictures, your_own_detector, labels_that_are_wrong, from_one_format_to_another, your_model_elsewhere,
        from_one_picture_to_a_billion, predicting_over_machines, training_over_machines, security, memory,
        how_a_convolution_layer_runs, how_a_training_goes, trunks_taps_receptive_fields, files_read_and_kept,
        networks_that_hear, similar_pictures, what_is_unusual, studio,
    )
}  # fmt: skip

if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        PAGES[name]()
