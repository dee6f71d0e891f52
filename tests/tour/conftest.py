"""The tour on smaller inputs, so that its tests are about whether it runs and not about how well it does."""

import pytest
from PIL import Image

from convolens.tour import hear, localize, pictures, textures

WIDTH = 120


@pytest.fixture(scope="module")
def small_tour(tmp_path_factory):
    """Photos are 120 pixels wide, and few crops and sounds are learned from and tested on."""
    folder, original = tmp_path_factory.mktemp("photos"), pictures.photo

    def small_photo(name):
        with Image.open(original(name)) as photo:
            photo.resize((WIDTH, WIDTH * photo.height // photo.width)).save(folder / name)
        return folder / name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "photo", small_photo)
        patch.setattr(textures, "_TRAINED_ON", {64: 4, 32: 4})
        patch.setattr(textures, "_TESTED_ON", {64: 2, 32: 2})
        patch.setattr(localize, "_TRAINING", 20)
        patch.setattr(localize, "_TEST", 10)
        patch.setattr(hear, "_EACH", 4)
        yield
