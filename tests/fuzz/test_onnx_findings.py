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
