"""What the documentation shows is run, in the folder that the tour leaves behind."""

import re
import shlex
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.cli import run
from convolens.media.images import write_image
from convolens.tour import SECTIONS
from convolens.tour.surfaces import mosaic
from examples import many_digits_on_photos, textures
from tests.tour.hurry import hurried

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def tour_folder(small_tour, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tour")
    with chdir(folder):
        for section in SECTIONS:
            if section.name != "explain":  # it would train; the documents train for themselves
                section.prepare()
        write_image("mosaic.png", mosaic()[0])
        write_of_ones_own(mosaic()[0])
        textures.write_textures(Path("photos"), size=32, train=20, test=8)
        many_digits_on_photos.write_many_digits(Path("numbers"), train=64, test=6)
    return folder


def write_of_ones_own(pixels):
    """Pictures such as readers have: some alike, and some of what is good."""
    for folder in ("holiday", "good"):
        Path(folder).mkdir()
    for at in range(10):
        crop = pixels[at : at + 64, 2 * at : 2 * at + 64]
        write_image(f"holiday/{at}.png", crop)
        write_image(f"good/{at}.png", crop)
    write_image("photo.jpg", pixels[:64, :64])
    write_image("part.png", pixels[9:73, 9:73])
    for label, pitch in (("crow", 400), ("owl", 1200)):
        Path("birds", label).mkdir(parents=True)
        for at in range(6):
            cl.write_audio(f"birds/{label}/{at}.wav", call(pitch + 20 * at), 8000)
    cl.write_audio("unknown.wav", call(410), 8000)
    cl.write_audio("monday.flac", np.tile(call(1250), 4), 8000)


def call(pitch):
    """Half a second at 8 kHz, of which a part sounds."""
    samples = 0.001 * np.random.default_rng(pitch).normal(size=4000)
    samples[1000:2500] += 0.3 * np.sin(2 * np.pi * pitch * np.arange(1500) / 8000)
    return samples.astype(np.float32)


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page):
    lines = hurried("".join(blocks(page, "sh"))).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("convolens ")]


@pytest.mark.weights
@pytest.mark.bad_input  # torch's exporter takes a checked shape for a fixed one
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_shown_runs(page, tour_folder, capsys):
    with chdir(tour_folder):
        for arguments in commands(page):
            assert run(arguments) == 0, capsys.readouterr().err


@pytest.mark.weights
@pytest.mark.bad_input  # documents show errors as well
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_python_shown_runs_from_top_to_bottom(page, tour_folder):
    with chdir(tour_folder):
        exec(compile(hurried("\n".join(blocks(page, "python"))), page.name, "exec"), {})


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readme_opens_with_a_picture_and_has_four_examples():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    picture = ROOT / re.search(r"^# Convolens\n\n!\[[^\]]+\]\(([^)]+)\)", text).group(1)
    assert picture.stat().st_size < 400_000
    assert len(re.findall(r"^\*\*(A sound|A photo|A classifier|A detector)\.\*\*", text, re.MULTILINE)) == 4
    assert text.index("make demo") < text.index("**A sound.**")
