"""A notebook that shows each kind of result, run by Jupyter as a reader would, and what stands in its page then."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

CELLS = {
    "setup": """
        from pathlib import Path
        import numpy as np
        import convolens as cl
        from convolens.data.doctor import diagnose
        from convolens.tour.pictures import photo
        from convolens.tour.surfaces import write_crops
        digits = Path(cl.__file__).parent / "tour/digits"
        write_crops("surfaces", 40, 8, test=False)
        write_crops("twice", 40, 2, test=False)
        Path("twice/brick/copy.png").write_bytes(Path("twice/grass/40-000.png").read_bytes())
    """,
    "plan": "cl.plan(cl.read_image(photo('coffee.png'))[..., 0], cl.kernel('gaussian', 2.5))",
    "trunk": "cl.trunk('resnet18', device='cpu')",
    "receptive fields": "cl.receptive_fields(cl.trunk('vgg11', device='cpu'))",
    "diagnosis": "diagnose('twice', progress=False)",
    "run": """
        run = cl.train("classify", "surfaces", trunk="resnet18", weights=None, width=0.25, stem="small",
                       size=32, epochs=1, out="run", device="cpu")
        run
    """,
    "prediction": "run.load().predict('surfaces/brick/40-000.png')",
    "explanation": "cl.explain(run.load(), 'surfaces/brick/40-000.png')",
    "detections": "cl.load(digits / 'digits.safetensors').predict(digits / '0.png')",
    "figures": "cl.evaluate(run.load(), 'surfaces')",
    "spectrogram": """
        sweep = np.sin(2 * np.pi * (200 + 300 * np.arange(32000) / 16000) * np.arange(32000) / 16000)
        cl.spectrogram(sweep, 16000, n_fft=1024, mels=80)
    """,
    "restyled": "cl.stylize(photo('coffee.png'), photo('ihc.png'), size=64, steps=1, trunk='vgg11', weights=None)",
}
PICTURES = ("run", "prediction", "explanation", "detections", "figures", "spectrogram", "restyled")
TABLES = ("plan", "trunk", "receptive fields", "diagnosis")


def notebook():
    """As Jupyter keeps one (nbformat 4)."""

    def cell(number, source):
        lines = [line.strip() for line in source.strip().splitlines()]
        kept = {"cell_type": "code", "id": f"cell{number}", "metadata": {}, "execution_count": None, "outputs": []}
        return kept | {"source": "\n".join(lines)}

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [cell(number, source) for number, source in enumerate(CELLS.values())]
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


class Outputs(HTMLParser):
    """How many pictures and tables each cell of a page shows."""

    def __init__(self, page):
        super().__init__()
        self.cells = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if "jp-CodeCell" in (dict(attrs).get("class") or ""):
            self.cells.append([])
        elif self.cells:
            self.cells[-1].append(tag)


@pytest.mark.slow
def test_each_result_shows_itself_in_a_notebook(tmp_path):
    pytest.importorskip("ipykernel")
    packages = Path(pytest.importorskip("nbconvert").__file__).parents[1]
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(packages.parents[2] / "share/jupyter"),
    }  # of packages that are shared
    (tmp_path / "looks.ipynb").write_text(json.dumps(notebook()), "utf-8")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "looks.ipynb"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "looks.html").read_text("utf-8")
    shown = dict(zip(CELLS, Outputs(page).cells, strict=True))
    assert {name for name in CELLS if "img" in shown[name]} == set(PICTURES)
    assert {name for name in CELLS if "table" in shown[name]} >= set(TABLES)
    assert not re.search(r"Traceback|Error:", page)
