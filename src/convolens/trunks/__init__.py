"""Trunks: VGG and ResNet as feature extractors with named taps, and anyone's weights for them.

`registry.TRUNKS` lists them; a new one is a function that returns a `Trunk`, and its line there; the conformance suite
in `tests/trunks` then tests it.
"""

from __future__ import annotations

from convolens.torch_loading import need_networks

need_networks("trunk")

from convolens.trunks.blocks import OriginalHead
from convolens.trunks.preprocessing import Preprocessing
from convolens.trunks.registry import TRUNKS, describe_weights, published, receptive_fields
from convolens.trunks.trunk import Trunk

__all__ = ["TRUNKS", "OriginalHead", "Preprocessing", "Trunk", "describe_weights", "published", "receptive_fields"]
