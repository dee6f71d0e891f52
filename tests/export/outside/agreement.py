"""The answers of exported files in ONNX Runtime, OpenVINO and Chromium against the model's, on pictures of all kinds.

    python -m tests.export.outside.agreement /tmp/agreement --pictures 300 --engines onnxruntime openvino chromium

Makes models and pictures (8 bits, in color, gray and transparent, of 32 to 4,000 pixels a side, up to 20:1), and
prints for each model and engine the largest differences and how often the order was another. Needs openvino and
playwright, with Debian's chromium; npm brings onnxruntime-web.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import convolens as cl
from convolens.exported.pictures import as_eight_bit
from convolens.models.localize import Predictions
from tests.export.conftest import decided
from tests.export.test_browser import LOOK

CLASSES = [f"class {number}" for number in range(10)]
_SOME = 12  # pictures that weights are fitted to
LEAST = 0.05  # the score at which a page's detector begins: all engines are asked for it
Answer = dict[str, np.ndarray]


def models(folder: Path) -> dict[str, Callable[[], Any]]:
    """What makes one of each kind, of random weights but for the tour's detector: answers need not be right here."""

    def trunk(name: str = "resnet18", **preprocessing: Any) -> Any:
        made = cl.trunk(name, device="cpu", **({"width": 0.5} if name == "resnet18" else {}))
        made.preprocessing = replace(made.preprocessing, **preprocessing)
        return made

    with as_file(files("convolens.tour") / "digits" / "digits.safetensors") as shipped:
        shutil.copy(shipped, folder / "digits.safetensors")
    crop = {"resize": 256, "crop": 224}
    return {
        "classifier, pooled head": lambda: sensitive(
            cl.classifier(trunk(**crop), classes=CLASSES, taps=["layer2.1", "layer4.1"])
        ),
        "classifier, original head": lambda: sensitive(cl.classifier(trunk(**crop), classes=CLASSES, head="original")),
        "classifier, several labels": lambda: sensitive(
            cl.classifier(trunk(**crop), classes=CLASSES, multi_label=True)
        ),
        "localizer": lambda: decided(cl.localizer(trunk(stretch=224), classes=CLASSES), 0.1),
        "detector": lambda: cl.load(folder / "digits.safetensors", device="cpu"),
        "VGG16, original head": lambda: sensitive(
            cl.classifier(trunk("vgg16", **crop), classes=CLASSES, head="original")
        ),
    }


@lru_cache
def pictures(count: int) -> list[np.ndarray]:
    """Noise on soft patches, on some of them the tour's digits; made once: they take seconds, and about 2 GB."""
    return list(_made(count))


def _made(count: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    with as_file(files("convolens.tour") / "digits") as shipped:
        photos = [np.asarray(Image.open(shipped / f"{number}.png").convert("RGB")) for number in range(4)]
    for number in range(count):
        longer = int(np.exp(random.uniform(np.log(32), np.log(4000))))
        ratio = [1.0, 1.5, 4.0, 20.0][number % 4]
        sides = [longer, max(32, round(longer / ratio))]
        height, width = sides if number % 8 < 4 else sides[::-1]
        if number % 3 == 0:
            photo = photos[number % 4][:: random.choice([1, -1])]
            pixels = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))
        else:
            cells = random.integers(0, 256, (max(1, height // 40) + 1, max(1, width // 40) + 1, 3), np.uint8)
            pixels = np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))
            pixels = (pixels + random.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)
        kind = random.integers(4)
        if kind == 0:
            yield pixels[..., 0].copy()
        elif kind == 1:
            alpha = np.linspace(0, 255, width).astype(np.uint8)[None, :, None].repeat(height, 0)
            yield np.dstack([pixels, alpha])
        else:
            yield pixels


def own(model: Any) -> Callable[[np.ndarray], Answer]:
    """The model in torch."""

    def answer(pixels: np.ndarray) -> Answer:
        if model.task == "detect":
            found = model.predict(pixels, threshold=LEAST)
            return {"scores": found.scores, "boxes_xyxy": found.boxes_xyxy, "labels": found.classes}
        if model.task == "classify":
            return {"probabilities": model_probabilities(model, pixels)}
        found = model.predict(pixels, threshold=0.0)
        return {
            "probabilities": model_probabilities(model, pixels), "objectness": np.float32(found.objectness),
            "box_xyxy": np.array(found.box_xyxy),
        }  # fmt: skip

    return answer


def model_probabilities(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Those of all classes, in their order."""
    with torch.inference_mode():
        scores = model(model.preprocess([pixels]))
        likely = model.probabilities(scores) if model.task == "classify" else Predictions.of(scores).classes.softmax(1)
    found: np.ndarray = likely[0].numpy()
    return found


def sensitive(model: Any) -> Any:
    """With a last layer that tells pictures apart, as a trained one does: random features hardly do."""
    linear = [one for one in model.head.modules() if isinstance(one, torch.nn.Linear)][-1]
    with torch.inference_mode():
        scores = torch.cat([model(model.preprocess([one])) for one in pictures(_SOME)])
        linear.weight *= 2 / scores.std(dim=0).mean()
        linear.bias.zero_()
        scores = torch.cat([model(model.preprocess([one])) for one in pictures(_SOME)])
        linear.bias -= scores.mean(dim=0)
    return model


def by_onnxruntime(file: Path, page: Path) -> Callable[[np.ndarray], Answer]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options)
    given = {"threshold": np.float32([LEAST])} if "scores" in [one.name for one in session.get_outputs()] else {}
    names = [one.name for one in session.get_outputs()]

    def answer(pixels: np.ndarray) -> Answer:
        return dict(zip(names, session.run(None, {"picture": as_eight_bit(pixels, 3), **given}), strict=True))

    return answer


def by_openvino(file: Path, page: Path) -> Callable[[np.ndarray], Answer]:
    """The model of the page: OpenVINO takes the defaults of inputs that may be left out for constants."""
    import onnx
    import openvino

    core = openvino.Core()
    model = core.read_model(page.with_suffix(".onnx"))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [one.name for one in onnx.load(page.with_suffix(".onnx")).graph.output]

    def answer(pixels: np.ndarray) -> Answer:
        found = compiled([as_eight_bit(pixels, 3)])
        return {name: np.array(found[name]) for name in names}

    return answer


def by_chromium(file: Path, page: Path) -> Callable[[np.ndarray], Answer]:
    """Through the page's own reading of a PNG."""
    from playwright.sync_api import sync_playwright

    global _browser  # one for all pages, until the process ends
    if "_browser" not in globals():
        _browser = (
            sync_playwright().start().chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        )
    tab = _browser.new_page()
    tab.goto((page / "index.html").as_uri())
    tab.locator("#status", has_text="Ready.").wait_for(timeout=120_000)

    def answer(pixels: np.ndarray) -> Answer:
        content = BytesIO()
        Image.fromarray(pixels).save(content, "PNG", compress_level=1)
        found = tab.evaluate(LOOK, base64.b64encode(content.getvalue()).decode())
        return {name: np.array(value, np.float32) for name, value in found.items()}

    return answer


ENGINES = {"onnxruntime": by_onnxruntime, "openvino": by_openvino, "chromium": by_chromium}


def difference(mine: Answer, other: Answer) -> dict[str, float]:
    """The largest differences; `order` is 1 where the order of classes or objects is another."""
    found: dict[str, float] = {"order": 0.0}
    for name in ("probabilities", "objectness", "scores"):
        if name in mine:
            if mine[name].shape != np.reshape(other[name], mine[name].shape if name == "objectness" else (-1,)).shape:
                return {"order": 1.0}  # another number of objects
            apart = abs(mine[name] - np.reshape(other[name], mine[name].shape))
            found["probability"] = max(found.get("probability", 0.0), float(apart.max(initial=0.0)))
    if "probabilities" in mine:
        found["order"] = float((mine["probabilities"].argsort() != np.ravel(other["probabilities"]).argsort()).any())
    if "labels" in mine:
        found["order"] = float((mine["labels"] != np.ravel(other["labels"])).any())
    for name in ("box_xyxy", "boxes_xyxy"):
        if name in mine:
            apart = abs(mine[name] - np.reshape(other[name], mine[name].shape))
            found["pixels"] = float(apart.max(initial=0.0))
    return found


def extract(page: Path) -> None:
    """The page's model as a file again."""
    facts = (page / "index.html").read_text().split('id="facts">')[1].split("</script>")[0]
    parts = [(page / name).read_text().split('"')[1] for name in json.loads(facts)["parts"]]
    page.with_suffix(".onnx").write_bytes(b"".join(map(base64.b64decode, parts)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--every", type=int, default=1, help="Chromium gets each so many-th picture only")
    parser.add_argument("--minutes", type=float, default=600.0, help="for each model: fewer pictures after that")
    parser.add_argument("--models", nargs="+", help="beginnings of names; default: all")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in models(folder).items():
        if options.models and not name.startswith(tuple(options.models)):
            continue
        model = make()
        file = folder / f"{name.replace(', ', '-').replace(' ', '-')}.onnx"
        page = file.with_name(f"{file.stem}-page")
        if not page.exists():
            cl.export(model, file, page=page)
        extract(page)
        compare(name, own(model), {one: ENGINES[one](file, page) for one in options.engines}, options)


def compare(name: str, mine: Callable[[np.ndarray], Answer], others: dict[str, Any], options: Any) -> None:
    """Prints a line for each engine."""
    counts = dict.fromkeys(others, 0)
    worst: dict[str, dict[str, float]] = {one: {} for one in others}
    orders, empty, seconds = dict.fromkeys(others, 0), 0, dict.fromkeys(others, 0.0)
    lowest, highest = np.inf, -np.inf
    end = time.monotonic() + 60 * options.minutes
    for number, pixels in enumerate(pictures(options.pictures)):
        if time.monotonic() > end:
            break
        expected = mine(pixels)
        likely = expected.get("probabilities", np.zeros(1))
        lowest, highest = np.minimum(lowest, likely), np.maximum(highest, likely)
        empty += "scores" in expected and not len(expected["scores"])
        for engine, answer in others.items():
            if engine == "chromium" and number % options.every:
                continue
            counts[engine] += 1
            before = time.perf_counter()
            found = difference(expected, answer(pixels))
            seconds[engine] += time.perf_counter() - before
            orders[engine] += int(found.pop("order"))
            for kind, value in found.items():
                if value > worst[engine].get(kind, -1.0):
                    worst[engine] |= {kind: value, f"{kind} at": f"{number} {pixels.shape}"}
    for engine, found in worst.items():
        objects = f", {empty} without objects" if name == "detector" else ""
        range_of_a_class = f"range of a class {np.max(highest - lowest):.2f}"
        told = f"{found} | {range_of_a_class} | other order {orders[engine]} | {seconds[engine]:.0f} s"
        print(f"{name} | {engine} | {counts[engine]} pictures{objects} | {told}", flush=True)


if __name__ == "__main__":
    main()
