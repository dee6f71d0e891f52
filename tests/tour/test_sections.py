"""Every section keeps its word: its Python lines and its commands run as they are printed."""

import shlex
from contextlib import chdir
from dataclasses import replace

import numpy as np
import pytest

from convolens.cli import run
from convolens.media.audio import read_audio
from convolens.media.images import read_image
from convolens.tour import SECTIONS, surfaces
from convolens.tour.guide import visit
from tests.tour.hurry import hurried

pytestmark = [pytest.mark.weights, pytest.mark.usefixtures("small_tour")]
QUICK = [
    replace(section, python=hurried(section.python), commands=tuple(map(hurried, section.commands)))
    for section in SECTIONS
]
BY_NAME = {section.name: section for section in QUICK}


def run_commands(section):
    for line in section.commands:
        program, *arguments = shlex.split(line)
        assert program == "convolens"
        assert run(arguments) == 0, line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all sections, as in the tour: the last explains the model that the one before it trained."""
    return tmp_path_factory.mktemp("tour")


@pytest.mark.parametrize("section", QUICK, ids=lambda section: section.name)
def test_a_section_runs_as_printed(section, folder):
    visited = visit(section, folder)
    if visited.failure:
        raise visited.failure
    assert visited.figures
    with chdir(folder):
        run_commands(section)


def both_ways(name, folder):
    """The variables of the Python lines, after the commands have run too."""
    section, variables = BY_NAME[name], {}
    with chdir(folder):
        section.prepare()
        run_commands(section)
        exec(section.python, variables)
    return variables


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """The folder of the commands' files, and the lines' variables."""
    folder = tmp_path_factory.mktemp("sounds")
    return folder, both_ways("sound", folder)


def test_commands_and_lines_make_the_same_sounds(sounds):
    folder, made = sounds
    for name, file in {"echoed": "echoed", "canon": "canon", "church": "inside"}.items():
        samples, rate = read_audio(folder / f"{file}.wav")
        assert rate == made["rate"]
        np.testing.assert_allclose(samples, made[name], atol=1 / 32767)


def test_the_echo_is_found_as_it_was_made_and_taken_out(sounds):
    folder, made = sounds
    assert made["found"].delays == pytest.approx((0.3, 0.6))
    assert made["found"].weights == pytest.approx((0.5, 0.25), rel=0.02)
    tune, echoed = made["samples"], made["echoed"]
    for cleaned in (made["cleaned"], read_audio(folder / "cleaned.wav")[0]):
        left, was = cleaned[: len(tune)] - tune, echoed[: len(tune)] - tune
        assert 10 * np.log10(np.sum(left**2) / np.sum(was**2)) < -30


def test_commands_and_lines_make_the_same_blurs(tmp_path):
    made = both_ways("blur", tmp_path)
    for name in ("soft", "softer", "vague", "light", "panned"):
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.png"), made[name])


def test_training_and_test_crops_have_no_pixel_in_common():
    for name in surfaces.SURFACES:
        left, right = (surfaces.surface(name, test=part) for part in (False, True))
        assert left.shape[1] + right.shape[1] == 512
        np.testing.assert_array_equal(np.hstack([left, right])[:, left.shape[1] :], right)


def test_the_mosaic_shows_what_its_map_says():
    picture, kinds = surfaces.mosaic()
    assert picture.shape == kinds.shape == (352, 352)
    held = [surfaces.surface(name, test=True)[:352] for name in surfaces.SURFACES]
    np.testing.assert_array_equal(picture[kinds == 0], held[0][kinds[:, :176] == 0])
    np.testing.assert_array_equal(picture[:, 176:][kinds[:, 176:] == 1], held[1][kinds[:, 176:] == 1])
    np.testing.assert_array_equal(picture[:, 88:264][kinds[:, 88:264] == 2], held[2][kinds[:, 88:264] == 2])
    assert (kinds == 2).mean() == pytest.approx(np.pi * 84**2 / 352**2, abs=0.002)
