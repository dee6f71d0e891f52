"""Every trunk, for tests that compute; what differs in depth alone from one that is tried by default is slow."""

import pytest

from convolens.trunks import TRUNKS

DEEPER = ("vgg13", "vgg19", "vgg11_bn", "vgg13_bn", "vgg19_bn", "resnet34", "resnet101", "resnet152")

EACH = [pytest.param(name, marks=pytest.mark.slow) if name in DEEPER else name for name in TRUNKS]
