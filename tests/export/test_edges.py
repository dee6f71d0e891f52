import json

import numpy as np
import onnxruntime
import pytest

import convolens as cl
from tests.export.conftest import export, picture


@pytest.mark.weights
def test_learned_edges_are_the_same_in_a_file(tmp_path, capsys):
    written = export("learned_edges", tmp_path / "edges.onnx", check=[picture(40, 50)])
    assert 0 < written.check["probability"] < 1e-4
    loaded = cl.load(written.path)
    for shape in [(47, 33), (16, 90), (64, 64)]:
        mine, other = cl.learned_edges(picture(*shape)), loaded.edges(picture(*shape))
        assert other.shape == shape
        assert np.ptp(mine) > 0.1
        np.testing.assert_allclose(other, mine, atol=1e-4)
    session = onnxruntime.InferenceSession(written.path)
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("edges", ["height", "width"])]
    assert json.loads(session.get_modelmeta().custom_metadata_map["convolens.task"]) == "edges"
    from convolens.cli import run

    assert run(["predict", str(written.path), "photo.png"]) == 2
    assert "need one that predicts, got one of edges" in capsys.readouterr().err
    assert run(["export", "learned_edges", str(tmp_path / "other.onnx"), "--tap", "conv1_1"]) == 2
    assert "need none, and no tap, with learned_edges" in capsys.readouterr().err
    for options, message in [({"int8": [picture(40, 50)], "labeled": tmp_path}, "got edges, which have no metric"),
                             ({"page": tmp_path / "page"}, "need a model that answers, got edges")]:  # fmt: skip
        with pytest.raises(cl.errors.ArgumentError, match=message):
            cl.export("learned_edges", tmp_path / "other.onnx", **options)
