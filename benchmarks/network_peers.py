"""The same network in other engines, each with the threads Convolens uses. Engines that are not installed are left out.

`pip install onnx onnxruntime openvino ncnn pnnx` brings them all.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import convolens as cl

Call = Callable[[], Any]


def peers(model: nn.Module, x: Tensor) -> dict[str, Call]:
    """Calls that run `model` on `x` in every engine that is here."""
    return {**torch_peers(model, x), **dict(_installed(model, x))}


def torch_peers(model: nn.Module, x: Tensor) -> dict[str, Call]:
    """PyTorch eager in both memory formats, and compiled with frozen weights."""
    last, x_last = (
        copy.deepcopy(model).to(memory_format=torch.channels_last),
        x.contiguous(memory_format=torch.channels_last),
    )
    compiled = torch.compile(last, options={"freezing": True})
    return {
        "PyTorch": without_gradients(lambda: model(x).numpy()),
        "PyTorch channels-last": without_gradients(lambda: last(x_last).numpy()),
        "torch.compile": without_gradients(lambda: compiled(x_last).numpy()),
    }


def without_gradients(call: Call) -> Call:
    return torch.no_grad()(call)


def _installed(model: nn.Module, x: Tensor) -> Iterator[tuple[str, Call]]:
    engines = {
        "ONNX Runtime": ("onnxruntime", onnx_runtime),
        "OpenVINO": ("openvino", openvino),
        "ncnn": ("ncnn", ncnn),
    }
    for name, (package, make) in engines.items():
        if find_spec(package) is None:
            print(f"{name}: not installed, not run")
        elif name != "ncnn" or len(x) == 1:  # ncnn runs one picture at a time
            yield name, make(model, x)


def _onnx_file(model: nn.Module, x: Tensor) -> Path:
    path = Path(tempfile.mkdtemp()) / "model.onnx"
    torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], output_names=["y"])
    return path


def onnx_runtime(model: nn.Module, x: Tensor) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cl.threads()
    session = onnxruntime.InferenceSession(_onnx_file(model, x), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x.numpy()})[0]


def openvino(model: nn.Module, x: Tensor) -> Call:
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": cl.threads(), "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
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
