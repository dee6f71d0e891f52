"""What makes training fast on this machine and changes no result: the order of axes in memory."""

from __future__ import annotations

import torch
from torch import nn


def prepare_for_speed(model: nn.Module) -> None:
    """Channels last, which our convolutions and cuDNN's want. In place."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
