"""What makes training fast: the order of axes in memory, and half the bits where the processor multiplies those."""

from __future__ import annotations

import os

import torch
from torch import nn


def prepare_for_speed(model: nn.Module) -> None:
    """Weights channels last on a GPU, as cuDNN wants them; our own kernels on the CPU want them as they are. In place.

    Pictures are channels last on either.
    """
    if next(model.parameters()).device.type == "cuda":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16: recent GPUs, CPUs with AVX-512 BF16 or AMX. Others emulate.

    A CPU has none where `ONEDNN_MAX_CPU_ISA` keeps torch from using them.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # torch before 2.9 does not tell
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16")) and _may_use_bfloat16()


def _may_use_bfloat16() -> bool:
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    return allowed in ("ALL", "DEFAULT") or any(word in allowed for word in ("BF16", "FP16", "AMX", "AVX10"))
