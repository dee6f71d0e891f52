"""Runs what `docs/your-model-elsewhere.md` shows of OpenVINO, ncnn, LitServe and JavaScript, and compares the answers.

    convolens tour --out tour
    python -m tests.export.outside.elsewhere tour [--only openvino ncnn litserve node]

The folder needs the tour's `digits`, `digits.safetensors` and `surfaces`. In an environment with openvino, ncnn, pnnx,
litserve and python-multipart beside convolens; for JavaScript `npm install onnxruntime-node` in the folder.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import convolens as cl

PAGE = Path(__file__).parents[3] / "docs" / "your-model-elsewhere.md"
HEADINGS = {"openvino": "In OpenVINO", "ncnn": "In ncnn", "litserve": "Behind a server", "node": "In JavaScript"}


def shown(name: str) -> str:
    """The first block of code below a heading."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {HEADINGS[name]}\n")[1].split("\n## ")[0]
    return re.search(r"^```(?:py|js)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]  # type: ignore[index]


def need_same(boxes: Any, scores: Any, labels: Any) -> str:
    """How far answers are from the model's, on the first photo."""
    mine = cl.load("digits.safetensors", device="cpu").predict("digits/0.png")
    boxes, scores = np.reshape(boxes, (-1, 4)), np.ravel(scores)
    assert list(labels) == list(mine.classes), (list(labels), list(mine.classes))
    apart = abs(boxes - mine.boxes_xyxy).max(), abs(scores - mine.scores).max()
    assert apart[0] < 0.5, apart
    assert apart[1] < 1e-4, apart
    return f"{len(scores)} digits, the same order; {apart[0]:.1e} pixels, {apart[1]:.1e} in scores"


def openvino() -> str:
    found: dict[str, Any] = {}
    exec(shown("openvino"), found)
    return need_same(found["boxes"], found["scores"], found["labels"])


def ncnn() -> str:
    found: dict[str, Any] = {}
    exec(shown("ncnn"), found)
    expected = found["model"](found["batch"])[0].detach()
    apart = float(abs(found["scores"] - expected).max())
    assert apart < 1e-2 * float(abs(expected).max()), (apart, expected)
    return f"{apart:.1e} in scores of {[round(one, 2) for one in expected.tolist()]}"


def node() -> str:
    pixels = np.asarray(Image.open("digits/0.png").convert("RGB"))
    Path("pixels.bin").write_bytes(pixels.tobytes())
    call = f'find(new Uint8Array(require("fs").readFileSync("pixels.bin")), {pixels.shape[0]}, {pixels.shape[1]})'
    script = f"{shown('node')}\n{call}.then((found) => console.log(JSON.stringify(found)));"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return need_same(found["boxes"], found["scores"], found["labels"])


def litserve() -> str:
    program = (
        shown("litserve")
        + '\nif __name__ == "__main__":\n    litserve.LitServer(Digits()).run(port=8123, generate_client_file=False)\n'
    )
    Path("server.py").write_text(program)
    content = Path("digits/0.png").read_bytes()
    limit = b"a-limit-that-no-picture-has"
    head = b'Content-Disposition: form-data; name="request"; filename="0.png"\r\nContent-Type: image/png\r\n\r\n'
    body = b"--" + limit + b"\r\n" + head + content + b"\r\n--" + limit + b"--\r\n"
    asked = urllib.request.Request(
        "http://127.0.0.1:8123/predict", body, {"Content-Type": f"multipart/form-data; boundary={limit.decode()}"}
    )
    with running([sys.executable, "server.py"]):
        for _ in range(60):
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    found = json.loads(answer.read())
                break
            except OSError:
                time.sleep(1)
    names = cl.load("digits.onnx").class_names
    return need_same(found["boxes"], found["scores"], [names.index(label) for label in found["labels"]])


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


TRIED = {"openvino": openvino, "ncnn": ncnn, "node": node, "litserve": litserve}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=TRIED, default=list(TRIED))
    options = parser.parse_args()
    with chdir(options.folder):
        if not Path("digits.onnx").exists():
            cl.export(cl.load("digits.safetensors", device="cpu"), "digits.onnx", check=["digits/0.png"])
        for name in options.only:
            print(f"{name}: {TRIED[name]()}", flush=True)


if __name__ == "__main__":
    main()
