"""A small model of each task, exported once: torch's exporter takes seconds."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from jaxtyping import config

import convolens as cl
from convolens.exporting import build
from convolens.exporting.tasks import exportable

NAMES = ["ant", "bee", "cat"]


def trunk(**preprocessing):
    made = cl.trunk("resnet18", width=0.125, device="cpu")
    made.preprocessing = replace(made.preprocessing, **preprocessing)
    return made


def decided(model, spread=0.3):
    """The model with a head that is not indifferent, as a trained one's is not."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if not name.startswith("trunk.") and parameter.dim() > 1:
            parameter.data += torch.randn(parameter.shape, generator=generator) * spread
    return model


def picture(height, width, channels=3, seed=0):
    """Patches of colors, with noise."""
    random = np.random.default_rng(seed)
    patches = random.random((-(-height // 9), -(-width // 9), channels)).repeat(9, 0).repeat(9, 1)[:height, :width]
    return ((patches + random.normal(0, 0.1, patches.shape)).clip(0, 1) * 255).astype(np.uint8)


def export(*arguments, **options):
    """`cl.export`, without beartype, which compares sizes that torch's exporter then takes for constants."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        return cl.export(*arguments, **options)
    finally:
        config.update("jaxtyping_disable", before)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="session")
def classifier(folder):
    """Bicubic, resized, cropped, BGR and whites of 255: all that preprocessing has."""
    body = trunk(
        resize=48, crop=40, interpolation="bicubic", order="bgr", white=255.0,
        mean=(104.0, 117.0, 123.0), deviation=(60.0, 61.0, 62.0),
    )  # fmt: skip
    model = decided(cl.classifier(body, classes=NAMES, taps=["layer1.0", "layer2.0"]))
    with torch.no_grad():  # no class is the likeliest of every picture
        model.head.linear.bias -= model(model.preprocess([picture(48, 60, seed=seed) for seed in range(12)])).mean(
            dim=0
        )
    model.metrics = {"top1": 0.75}
    return model, export(model, folder / "classifier.onnx")


@pytest.fixture(scope="session")
def localizer(folder):
    model = decided(cl.localizer(trunk(stretch=(40, 56)), classes=NAMES, taps="layer2.0", hidden=8), spread=0.05)
    return model, export(model, folder / "localizer.onnx", batched=True)


@pytest.fixture(scope="session")
def detector(folder):
    model = decided(cl.detector(trunk(), classes=NAMES, size=96, width=0.0625, taps=["layer2.1", "layer3.1"]))
    return model, export(model, folder / "detector.onnx")


@pytest.fixture(scope="session")
def features(folder):
    model = trunk()
    return model, export(model, folder / "features.onnx", taps="layer2.0")


@pytest.fixture(scope="session")
def network(classifier):
    """The classifier's network as torch exports it: torch's exporter has nothing to do with the faults below."""
    own = exportable(classifier[0], None)
    return build.network(own.module, (40, 40), 3, 1, ["probabilities"], 18)


@pytest.fixture
def exported(network, monkeypatch):
    """A copy of it, which `export` takes."""
    copied = onnx.ModelProto()
    copied.CopyFrom(network)
    monkeypatch.setattr(build, "network", lambda *_: copied)
    return copied
