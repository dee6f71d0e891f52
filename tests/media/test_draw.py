import subprocess
import sys

import numpy as np
import pytest

from convolens.errors import ArgumentError, ShapeError
from convolens.media import draw
from convolens.media.outline import outline
from convolens.results import Detections

GRAY = np.full((60, 80, 3), 128, np.uint8)


def test_a_heatmap_runs_from_its_darkest_to_its_brightest_color():
    painted = draw.heatmap(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    brightness = painted.astype(int).sum(axis=2)
    assert brightness[0, 0] < brightness[1, 1] < brightness[0, 1]
    np.testing.assert_array_equal(painted[1, 0], [128, 128, 128])
    assert painted.dtype == np.uint8 and painted.shape == (2, 2, 3)


def test_the_ends_of_a_heatmap_can_be_set_so_that_two_compare():
    np.testing.assert_array_equal(draw.heatmap(np.array([[5.0]]), lowest=0, highest=10)[0, 0],
                                  draw.heatmap(np.array([[0.0, 0.5, 1.0]]))[0, 1])  # fmt: skip
    flat = draw.heatmap(np.full((2, 2), 7.0))
    np.testing.assert_array_equal(flat, np.broadcast_to(flat[0, 0], (2, 2, 3)))
    assert draw.heatmap(np.full((2, 2), np.nan)).min() == 128


def test_an_overlay_leaves_cold_places_as_they_are_and_covers_hot_ones():
    heat = np.zeros((6, 8))
    heat[:, 4:] = 1
    out = draw.overlay(GRAY, heat, strength=1.0, colors="gray")
    np.testing.assert_array_equal(out[:, :30], GRAY[:, :30])
    assert out[:, 50:].min() == 255
    np.testing.assert_array_equal(draw.overlay(GRAY, heat, strength=0), GRAY)


def test_boxes_are_drawn_where_they_are_and_labels_stay_on_the_picture():
    out = draw.draw_boxes(
        GRAY, np.array([[10, 30, 40, 50], [-5, -5, 20, 20]]), ["cat", "a name far longer than the picture"]
    )
    changed = (out != 128).any(axis=2).reshape(60, 6, 80, 6).any(axis=(1, 3))  # it was enlarged six times
    assert (
        changed[30, 10:40].all() and changed[49, 10:40].all() and changed[30:50, 10].all() and changed[30:50, 39].all()
    )
    assert not changed[35:45, 15:35].any()
    assert changed[:25, :40].any()
    np.testing.assert_array_equal(draw.draw_boxes(GRAY, np.zeros((0, 4))), GRAY)


def test_equal_labels_have_equal_colors():
    out = draw.draw_boxes(GRAY, np.array([[0, 20, 20, 40], [40, 20, 60, 40], [60, 45, 80, 60]]), ["a", "a", "b"])
    ends = [out[239, 6 * x] for x in (10, 50)], out[359, 6 * 70]
    assert (ends[0][0] == ends[0][1]).all()
    assert not (ends[0][0] == ends[1]).all()


def test_a_class_has_its_color_in_every_picture():
    box, black = np.array([[2, 2, 9, 9]]), np.zeros((500, 500, 3), np.uint8)
    for number in (0, 3, len(draw.COLORS) + 3):
        out = draw.draw_boxes(black, box, kinds=[number])
        assert tuple(out[2, 5]) == draw.COLORS[number % len(draw.COLORS)]
    both = draw.draw_boxes(black, np.array([[2, 2, 9, 9], [22, 2, 29, 9]]), kinds=np.array([5, 3]))
    assert [tuple(both[2, x]) for x in (5, 25)] == [draw.COLORS[5], draw.COLORS[3]]


def test_what_a_detector_found_has_the_colors_of_its_classes():
    box, number = np.float32([[2, 2, 90, 90]]), np.array([2])
    found = Detections(box, ("cat",), np.float32([0.9]), number, number, picture=np.zeros((500, 500, 3), np.uint8))
    assert tuple(found.drawn()[89, 60]) == draw.COLORS[2]


def test_labels_stand_whole_and_on_no_other_label_however_small_the_picture():
    small, boxes, names = np.full((32, 32, 3), 128, np.uint8), np.array([[1, 0, 6, 6], [7, 0, 12, 6]]), ["plane", "car"]
    out = draw.draw_boxes(small, boxes, ["airplane", "automobile"], [0.9, 0.8], kinds=names)
    assert out.shape == (480, 480, 3)
    for number in (0, 1):
        shown = [label if at == number else "" for at, label in enumerate(["airplane 90%", "automobile 80%"])]
        alone = draw.draw_boxes(small, boxes, shown, kinds=names)
        many, expected = ((one == draw.COLORS[number]).all(axis=2).sum() for one in (out, alone))
        assert many > 0.95 * expected  # little of it lies under the other: at most the lines of its box


def test_boxes_without_words_leave_the_picture_its_size():
    assert draw.draw_boxes(GRAY, np.array([[10, 30, 40, 50]])).shape == GRAY.shape
    large = np.zeros((500, 600), np.uint8)
    assert draw.draw_boxes(large, np.array([[10, 30, 40, 50]]), ["cat"]).shape == (500, 600, 3)


def test_no_word_of_a_caption_is_cut_however_narrow_the_picture():
    narrow = np.zeros((200, 20), np.uint8)
    out = draw.sheet([narrow], ["incomprehensibilities"], height=200, gap=0)
    words = (out[206:] < 120).any(axis=2).any(axis=0)
    assert out.shape[1] > 100 and not words[-1:].any()


def test_a_sheet_holds_every_picture_in_reading_order():
    red, green, blue = (np.full((10, 20, 3), c, np.uint8) for c in ([255, 0, 0], [0, 255, 0], [0, 0, 255]))
    out = draw.sheet([red, green, blue], ["one", "two", "three"], columns=2, height=100, gap=10)
    assert out.shape[1] == 2 * 200 + 3 * 10
    for (y, x), color in (((60, 100), red), ((60, 320), green), ((60 + 100 + 26 + 10, 100), blue)):
        np.testing.assert_array_equal(out[y, x], color[0, 0])


def test_captions_are_readable_whatever_the_picture():
    for shade in (0, 128, 255):
        picture = np.full((100, 100), shade, np.uint8)
        caption = draw.sheet([picture], ["dark words"], height=100)[112:]
        assert caption.min() < 80 and np.median(caption) > 240


def test_a_long_caption_is_broken_into_lines_rather_than_cut():
    short = draw.sheet([GRAY], ["one"], height=60).shape[0]
    long = draw.sheet([GRAY], ["one two three four five six seven eight"], height=60).shape[0]
    assert long > short + 30


def test_a_tone_shows_in_its_spectrogram_at_its_pitch():
    rate = 8000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    spectrum = outline(tone).spectrogram()
    assert abs(spectrum[:, 8].argmax() / 512 * 4000 - 1000) < 10
    assert spectrum.max() == pytest.approx(20 * np.log10(0.5), abs=0.5)
    out = draw.sounds([("before", tone), ("after", np.stack([tone, tone], axis=1))], rate)
    assert out.shape == (460, 1000, 3)
    assert out.std() > 20


def test_a_plot_touches_none_of_matplotlibs_global_state():
    code = (
        "import sys, numpy as np; from convolens.media import draw\n"
        "draw.sounds([('click', np.ones(10))], 10); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "matplotlib" in loaded and "matplotlib.pyplot" not in loaded


@pytest.mark.bad_input
def test_what_cannot_be_drawn_is_refused():
    for call, error, message in (
        (lambda: draw.heatmap(np.zeros((0, 2))), ShapeError, r"values: need \(height, width\), not empty"),
        (lambda: draw.heatmap(np.zeros((2, 2)), colors="rainbows"), ArgumentError, "got 'rainbows'"),
        (lambda: draw.overlay(GRAY, np.full((2, 2), 2.0)), ArgumentError, r"heat: need numbers in \[0, 1\]"),
        (lambda: draw.overlay(GRAY, np.full((2, 2), np.nan)), ArgumentError, r"heat: need numbers in \[0, 1\]"),
        (
            lambda: draw.overlay(GRAY, np.zeros((2, 2)), strength=2),
            ArgumentError,
            "strength: need a number from 0 to 1",
        ),
        (
            lambda: draw.draw_boxes(GRAY, np.zeros((2, 4)), ["one"]),
            ArgumentError,
            "need one for each of the 2 boxes, got 1",
        ),
        (lambda: draw.sheet([]), ArgumentError, "pictures: need at least one, got none"),
        (lambda: draw.sheet([GRAY], ["a", "b"]), ArgumentError, "need one for each of the 1 pictures, got 2"),
        (lambda: draw.sounds([("a", np.zeros(0))], 10), ArgumentError, "tracks: need at least one sound"),
    ):
        with pytest.raises(error, match=message):
            call()


NAMES = ["a\x1b[2Jb", "10 $ or $x_$", "c\nd"]


def test_names_are_drawn_letter_by_letter_with_escapes_for_what_has_none():
    shown = ["a\\x1b[2Jb", "10 $ or $x_$"]
    picture = np.full((600, 600, 3), 90, np.uint8)
    boxes = np.array([[10, 40, 300, 200], [10, 300, 300, 500]])
    assert np.array_equal(draw.draw_boxes(picture, boxes, NAMES[:2]), draw.draw_boxes(picture, boxes, shown))
    assert np.array_equal(draw.sheet([picture], NAMES[:1]), draw.sheet([picture], shown[:1]))
    sound = [(name, np.sin(np.arange(4000.0))) for name in NAMES]
    assert draw.sounds(sound, 8000).ndim == 3  # a warning of a glyph, or of a formula, would be an error here
