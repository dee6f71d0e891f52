"""What strangers' ONNX files could do, and may not."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import convolens as cl
from convolens.errors import WeightsError
from tests.fuzz import networks, onnx_files

pytestmark = pytest.mark.bad_input


def test_weights_in_another_file_are_not_read(tmp_path):
    whole = onnx.load_from_string(onnx_files.seeds()[0])
    weights = next(one for one in whole.graph.initializer if one.name == "weights")
    (tmp_path / "beside.bin").write_bytes(weights.raw_data)
    (tmp_path / "whole.onnx").write_bytes(whole.SerializeToString())
    assert np.isfinite(cl.load(tmp_path / "whole.onnx").predict(networks.PICTURE).scores).all()
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="beside.bin")
    (tmp_path / "leads.onnx").write_bytes(whole.SerializeToString())
    with pytest.raises(WeightsError, match=r"leads.onnx: need an ONNX model .*[Ee]xternal"):
        cl.load(tmp_path / "leads.onnx")


def changed(tmp_path, seed, name, values):
    """A model one of whose weights has other values."""
    model = onnx.load_from_string(onnx_files.seeds()[seed])
    weights = next(one for one in model.graph.initializer if one.name == name)
    weights.CopyFrom(onnx.numpy_helper.from_array(values, name))
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    return cl.load(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("box", np.float32([1, 2, np.nan, 30])),
        ("half", np.float32(np.inf)),
        ("weights", np.full((3, 2), np.nan, np.float32)),
    ],
)
def test_an_output_that_is_no_number_is_refused_whichever_it_is(tmp_path, name, values):
    with pytest.raises(WeightsError, match="need finite scores, got NaN or infinity"):
        changed(tmp_path, 2, name, values).predict(networks.PICTURE)


def test_an_answer_for_each_picture_is_needed(tmp_path):
    model = changed(tmp_path, 1, "axes", np.int64([0, 2]))  # means over pictures and columns, for each row
    with pytest.raises(WeightsError, match="an output 'probabilities' for each of 2 pictures"):
        model.predict([networks.PICTURE] * 2)


def test_nothing_but_the_sentence_is_said_of_a_file_that_is_no_model(tmp_path, capfd):
    whole = onnx_files.seeds()[0]
    path = tmp_path / "a.onnx"
    path.write_bytes(whole.replace(b"ReduceMean", b"ReduceMea\xff"))
    with pytest.raises(WeightsError, match=r"a\.onnx: need an ONNX model"):
        cl.load(path)
    assert capfd.readouterr() == ("", "")
