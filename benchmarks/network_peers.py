"""The same network in other engines, each with the threads Convolens uses. Engines that are not installed are left out.

`pip install onnx onnxruntime openvino ncnn pnnx` brings them all.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import convolens as cl
from convolens.layers.levels import give_levels, measuring

Call = Callable[[], Any]


def eager(model: nn.Module, x: Tensor) -> Call:
    return without_gradients(lambda: model(x).numpy())


def channels_last(model: nn.Module, x: Tensor) -> Call:
    return eager(*_channels_last(model, x))


def in_bfloat16(model: nn.Module, x: Tensor) -> Call:
    """Channels-last, weights and maps in bfloat16."""
    half, x_half = _channels_last(model.bfloat16(), x.bfloat16())
    return without_gradients(lambda: half(x_half).float().numpy())


def compiled(model: nn.Module, x: Tensor) -> Call:
    """Compiled, with frozen weights, in the memory format that is the faster."""
    last, x_last = _channels_last(model, x)
    whole = torch.compile(last, options={"freezing": True})
    return without_gradients(lambda: whole(x_last).numpy())


def _channels_last(model: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    last = torch.channels_last
    return copy.deepcopy(model).to(memory_format=last), x.contiguous(memory_format=last)


def without_gradients(call: Call) -> Call:
    return torch.no_grad()(call)


def _onnx_file(model: nn.Module | _Quantized, x: Tensor) -> Path:
    path = Path(tempfile.mkdtemp()) / "model.onnx"
    model.write(path, x) if isinstance(model, _Quantized) else _write_onnx(model, x, path)
    return path


def _write_onnx(model: nn.Module, x: Tensor, path: Path) -> None:
    torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], output_names=["y"])


def onnx_runtime(model: nn.Module | _Quantized, x: Tensor) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cl.threads()
    session = onnxruntime.InferenceSession(_onnx_file(model, x), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x.numpy()})[0]


def openvino(model: nn.Module | _Quantized, x: Tensor, precision: str = "f32") -> Call:
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": cl.threads(), "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_PRECISION_HINT"] = precision
    compiled = core.compile_model(core.read_model(_onnx_file(model, x)), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda: request.infer({0: x.numpy()})[0]


def ncnn(model: nn.Module, x: Tensor) -> Call:
    import ncnn
    import numpy as np
    import pnnx

    folder = Path(tempfile.mkdtemp())
    pnnx.export(model, str(folder / "model.pt"), (x,), fp16=False)
    net = ncnn.Net()
    net.opt.num_threads = cl.threads()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(str(folder / "model.ncnn.param"))
    net.load_model(str(folder / "model.ncnn.bin"))

    def run() -> Any:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0].numpy()))
        return np.array(extractor.extract("out0")[1])[None]

    return run


def in_int8(name: str, model: nn.Module, x: Tensor) -> Call | None:
    """The network in 8-bit integers: ours, or ONNX Runtime's quantized file in that engine or in OpenVINO.

    Both are calibrated on the input itself, so that they can be compared.
    """
    if name == "int8":
        with torch.no_grad(), measuring(model) as seen:
            for picture in x:
                model(picture[None])
        first = next(iter(seen))
        give_levels(model, {layer: one.levels() for layer, one in seen.items() if layer != first})
        fused = cl.fuse(model)
        return without_gradients(lambda: fused(x).numpy())
    engine = name.removesuffix(" int8")
    if find_spec(_PACKAGES[engine]) is None:
        print(f"{name}: not installed, not run")
        return None
    return PEERS[engine](_Quantized(model), x)


@dataclass(frozen=True)
class _Quantized:
    """A network that is written as ONNX Runtime's quantizer has it."""

    model: nn.Module

    def write(self, path: Path, x: Tensor) -> None:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Pictures(CalibrationDataReader):
            def __init__(self) -> None:
                self.left = iter([x.numpy()])

            def get_next(self) -> dict[str, Any] | None:
                return next(({"x": batch} for batch in self.left), None)

        plain, prepared = path.with_name("float.onnx"), path.with_name("prepared.onnx")
        _write_onnx(self.model, x, plain)
        quant_pre_process(plain, prepared)
        first = next(node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv")
        quantize_static(
            prepared, path, Pictures(), quant_format=QuantFormat.QDQ, per_channel=True, nodes_to_exclude=[first],
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip


PEERS: dict[str, Callable[[nn.Module, Tensor], Call]] = {
    "PyTorch": eager,
    "PyTorch channels-last": channels_last,
    "PyTorch bfloat16": in_bfloat16,
    "torch.compile": compiled,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
    "OpenVINO bfloat16": partial(openvino, precision="bf16"),
    "ncnn": ncnn,  # one picture at a time
}
_PACKAGES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "OpenVINO bfloat16": "openvino", "ncnn": "ncnn"}


def peer(name: str, model: nn.Module, x: Tensor) -> Call | None:
    """The call that runs `model` on `x` in an engine, or None where that is not installed or takes no such batch."""
    package = _PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        print(f"{name}: not installed, not run")
        return None
    return None if name == "ncnn" and len(x) > 1 else PEERS[name](model, x)
