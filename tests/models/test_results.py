"""What every task predicts shows itself, is saved and is plain data, whatever it was asked about."""

import json

import numpy as np
import pytest

import convolens as cl
from convolens.errors import ArgumentError
from convolens.media.images import read_image, write_image
from convolens.media.showing import Drawn
from convolens.models.classify import Prediction
from convolens.models.detect import Detections
from convolens.models.localize import Location

DETECTIONS = Detections(
    np.array([[10, 20, 30, 40], [0, 0, 50, 30]], np.float32), ("cat", "dog"), np.array([0.9, 0.6], np.float32),
    np.array([0, 1]), np.array([7, 9]),
)  # fmt: skip
RESULTS = [
    Prediction(("cat", "dog"), (0.9, 0.1)),
    Location("cat", 0.9, (10.0, 20.0, 30.0, 40.0), 0.7),
    DETECTIONS,
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: type(one).__name__)
def test_a_result_is_json_and_says_itself_in_a_line(result):
    assert json.loads(json.dumps(result.to_dict()))["scores" if hasattr(result, "scores") else "score"]
    assert len(repr(result)) < 120 and "cat 90.0%" in repr(result)


def test_the_words_of_detections_name_the_boxes():
    assert str(DETECTIONS) == "cat 90.0%  x 10–30, y 20–40; dog 60.0%  x 0–50, y 0–30"


@pytest.mark.parametrize("given", ["path", "array"])
def test_a_model_knows_the_picture_that_it_predicted_for(given, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    write_image(tmp_path / "photo.png", picture)
    model = cl.classifier("vgg16", classes=("dark", "light"), taps="conv1_2")
    found, other = model.predict([tmp_path / "photo.png" if given == "path" else picture, picture[:, ::-1]])
    assert found.save(tmp_path / "shown.png") == tmp_path / "shown.png"
    drawn = read_image(tmp_path / "shown.png")
    assert drawn.shape[1] == 480 and drawn.shape[0] > 320  # enlarged eight times, and words below it
    np.testing.assert_array_equal(drawn[4:320:8, 4::8], picture)
    np.testing.assert_array_equal(other.drawn()[4:320:8, 4::8], picture[:, ::-1])
    assert found._repr_png_().startswith(b"\x89PNG")
    assert (
        f"<figcaption>{found}</figcaption>" in found._repr_html_()
        and "data:image/png;base64,iVBOR" in found._repr_html_()
    )
    axes = found.plot()
    assert axes.get_title() == str(found) and axes.images[0].get_array().shape == drawn.shape


def test_a_result_without_a_picture_says_so():
    with pytest.raises(ArgumentError, match="picture: need the picture that was predicted for"):
        DETECTIONS.save("nowhere.png")
    assert DETECTIONS._repr_png_() is None and DETECTIONS._repr_html_() is None  # a notebook then shows its words


def test_what_shows_itself_must_say_how_it_is_drawn():
    class Nothing(Drawn):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?drawn"):
        Nothing()
