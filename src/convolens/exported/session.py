"""ONNX Runtime: sessions, and its failures as sentences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from convolens.errors import ConvolensError, DeviceError, WeightsError, need_one_of, need_package
from convolens.memory import need_memory

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# Where weights in other files are looked for. What is exported has none; a stranger's file shall not have others read.
_ELSEWHERE, _NOWHERE = "session.model_external_initializers_file_folder_path", f"{os.devnull}/nowhere"
_REPORTS_NOTHING = "ORT_DISABLE_TELEMETRY"
_QUIET = 4  # of ONNX Runtime's levels of what it says: what is fatal


def onnx_runtime() -> Any:
    """ONNX Runtime, which sends nothing to anybody.

    Recent builds (1.32 is one) report to their maker what is run, from the import on, unless the environment says
    otherwise (its Privacy.md). What the environment says already stays.
    """
    os.environ.setdefault(_REPORTS_NOTHING, "1")
    import onnxruntime

    return onnxruntime


def open_session(source: Path | bytes, name: object, device: str = "auto") -> InferenceSession:
    """A session of a file, or of a model's bytes.

    Args:
        source: the file or the bytes.
        name: what errors are about.
        device: `auto` (the GPU where ONNX Runtime has one), `cpu` or `cuda`.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        WeightsError: not an ONNX model, damaged, incomplete, or of operators that this version does not know.
        DeviceError: the device is not there.
    """
    if find_spec("onnxruntime") is None:
        raise need_package("onnxruntime", "export", str(name))
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # which holds cores that others want
    options.add_session_config_entry(_ELSEWHERE, _NOWHERE)
    with failures_told(name, "need an ONNX model that ONNX Runtime can run"):
        if isinstance(source, Path):  # as bytes, for from a path it also reads what lies beside the file
            need_memory(2 * source.stat().st_size, name)
            source = source.read_bytes()
        providers = _providers(device, onnxruntime.get_available_providers())
        # It would try again by the CPU alone, and say so on stdout.
        session = onnxruntime.InferenceSession(source, options, providers=providers, enable_fallback=False)
        _need_texts(session)
        return session


def _need_texts(session: InferenceSession) -> None:
    """Asks once for every name and fact: one that is not UTF-8 is refused here, and not wherever it is first read."""
    session.get_modelmeta().custom_metadata_map  # noqa: B018 - a property that decodes
    for one in (*session.get_inputs(), *session.get_outputs()):
        one.name, one.type, one.shape  # noqa: B018 - so do these


def run(session: InferenceSession, inputs: Mapping[str, Any], name: object) -> dict[str, NDArray[Any]]:
    """The outputs by name.

    Raises:
        WeightsError: ONNX Runtime cannot compute them.
    """
    names = [output.name for output in session.get_outputs()]
    with failures_told(name, "cannot be run on this picture"):
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))


@contextmanager
def failures_told(name: object, what: str) -> Iterator[None]:
    """Makes one sentence of what ONNX Runtime raises, whose errors have no common kind but Exception."""
    try:
        yield
    except ConvolensError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{name}: {what}, got {reason:.300}") from error


def _providers(device: str, available: Sequence[str]) -> list[str]:
    need_one_of("device", device, ("auto", *_PROVIDERS))
    if device == "auto":
        return [one for one in (_PROVIDERS["cuda"], _PROVIDERS["cpu"]) if one in available]
    if _PROVIDERS[device] not in available:
        raise DeviceError(f"device: need one that this ONNX Runtime has, got {device!r}; install onnxruntime-gpu")
    return [_PROVIDERS[device]]
