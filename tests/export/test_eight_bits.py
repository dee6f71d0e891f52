"""Networks in 8 bits: what is quantized, what it costs, and that it is refused where it costs too much."""

import numpy as np
import onnx
import pytest
from PIL import Image

import convolens as cl
from tests.export.conftest import NAMES, picture


@pytest.fixture(scope="module")
def labeled(classifier, tmp_path_factory):
    """Pictures, each in the folder of the class that the model gives it: before, all answers are right."""
    folder = tmp_path_factory.mktemp("labeled")
    for seed in range(12):
        pixels = picture(48, 60, seed=seed)
        label = classifier[0].predict(pixels).labels[0]
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / label / f"{seed}.png")
    return folder


@pytest.fixture
def seen(labeled):
    return sorted(labeled.rglob("*.png"))


@pytest.mark.usefixtures("exported")
def test_a_network_in_eight_bits(classifier, labeled, seen, tmp_path):
    model, whole = classifier
    written = cl.export(model, tmp_path / "model.onnx", int8=seen, labeled=labeled, at_most=20, check=[picture(50, 50)])
    assert written.int8["metric"] == "top1"
    assert written.int8["before"] == 1.0
    assert written.int8["pictures"] == 12
    assert "int8: top1 1.0000 before, " in str(written)
    loaded = cl.load(written.path)
    assert loaded.facts.int8 == written.int8
    assert cl.evaluate(loaded, labeled, progress=False)["top1"] == written.int8["after"]
    assert written.path.stat().st_size < whole.path.stat().st_size
    apart = [
        abs(dict(zip(mine.labels, mine.scores, strict=True))[NAMES[0]] - other[0])
        for mine, other in zip(model.predict(seen), loaded.probabilities(seen), strict=True)
    ]
    assert 1e-5 < max(apart) < 0.1  # it was quantized, and is the same network


@pytest.mark.usefixtures("exported")
def test_preprocessing_last_layer_and_probabilities_stay_floats(classifier, labeled, seen, tmp_path):
    written = cl.export(
        classifier[0], tmp_path / "model.onnx", int8=seen[:1], labeled=labeled, at_most=100, check=[picture(50, 50)]
    )
    graph = onnx.load(written.path).graph
    made_by = {value: node for node in graph.node for value in node.output}
    quantized = {
        node.op_type
        for node in graph.node
        for value in node.input
        if value in made_by and made_by[value].op_type == "DequantizeLinear"
    }
    assert "Conv" in quantized
    assert quantized <= {"Conv", "Relu", "Add", "MaxPool", "ReduceMean", "Slice", "QuantizeLinear"}
    weights = [
        tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(weights) > 5
    values = [onnx.numpy_helper.to_array(tensor) for tensor in weights]
    assert max(abs(value.astype(int)).max() for value in values) == 64  # a bit is left for sums of two


@pytest.mark.usefixtures("exported")
def test_it_is_refused_where_it_loses_too_much(classifier, labeled, tmp_path):
    """Calibrated on black pictures, the network can tell nothing else."""
    black = [np.zeros((48, 60, 3), np.uint8)]
    message = r"int8: need at most 1 points lost by 8 bits, got int8: top1 1.0000 before, 0\.\d+ after .*allow more"
    with pytest.raises(cl.errors.ExportError, match=message):
        cl.export(classifier[0], tmp_path / "model.onnx", int8=black, labeled=labeled, check=[picture(50, 50)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("exported")
def test_what_is_refused(classifier, labeled, seen, tmp_path):
    model, target, one = classifier[0], tmp_path / "model.onnx", [picture(50, 50)]
    with pytest.raises(cl.errors.ArgumentError, match="labeled: need data with answers"):
        cl.export(model, target, int8=one)
    with pytest.raises(cl.errors.ArgumentError, match="labeled: need int8 with it"):
        cl.export(model, target, labeled=labeled)
    with pytest.raises(cl.errors.ArgumentError, match="at_most: need a number of points from 0 to 100, got -1"):
        cl.export(model, target, int8=one, labeled=labeled, at_most=-1)
    with pytest.raises(cl.errors.ArgumentError, match="got features, which have no metric"):
        cl.export(model.trunk, target, int8=one, labeled=labeled)
    with pytest.raises(cl.errors.ArgumentError, match="int8: need at least one picture, got none"):
        cl.export(model, target, int8=[], labeled=labeled, check=one)
    with pytest.raises(cl.errors.FileError, match="found nothing there"):
        cl.export(model, target, int8=one, labeled=labeled / "none", check=one)
    assert list(tmp_path.iterdir()) == []


def test_files_of_earlier_versions_say_nothing_of_it(classifier, tmp_path):
    model = onnx.load(classifier[1].path)
    (said,) = (one for one in model.metadata_props if one.key == "convolens.int8")
    model.metadata_props.remove(said)
    onnx.save(model, tmp_path / "model.onnx")
    assert cl.load(tmp_path / "model.onnx").facts.int8 == {}
