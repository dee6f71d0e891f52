import numpy as np
import pytest
import torch

import convolens as cl
from tests.export.conftest import picture


@pytest.mark.parametrize("shape", [(32, 47), (100, 20), (224, 300)])
def test_features_are_those_of_the_trunk(features, shape):
    """At the pictures' own size: nothing in preprocessing brings them to another."""
    trunk, written = features
    found = cl.load(written.path).features(picture(*shape))
    with torch.inference_mode():
        maps = trunk(trunk.preprocess([picture(*shape)]), taps=["layer2.0"])
    assert set(found) == {"layer2.0"}
    np.testing.assert_allclose(found["layer2.0"], maps["layer2.0"][0], atol=1e-4)


def test_features_are_no_predictions(features, tmp_path, capsys):
    from convolens.cli import run

    assert run(["predict", str(features[1].path), "photo.png"]) == 2
    assert "need one that predicts, got one of features" in capsys.readouterr().err
