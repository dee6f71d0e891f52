"""Makes goldens.json from torchvision and timm: what each network's keys are, and which logits it gives, in float64.

Needs torchvision and timm (0.29 and 1.0.31 made the committed file). Beside the CPU-only torch, torchvision's wheel
needs its operators' schemas registered first; any module that does so can be named as the first argument.

    python tests/trunks/make_goldens.py [MODULE]
"""

import importlib
import json
import sys

import published
import torch

NAMES = (
    "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d",
)  # fmt: skip


@torch.inference_mode()
def golden(model, sizes):
    state = model.state_dict()
    published.fill(state)
    model.eval().double()
    logits = {size: model(published.batch(published.SHAPES[size]))[0] for size in sizes}
    return {
        "keys": published.keys_digest(state),
        "parameters": sum(value.numel() for value in model.parameters()),
        "logits": {size: [float(f"{value:.9g}") for value in row[:6]] for size, row in logits.items()},
        "largest": {size: float(f"{row.abs().max():.9g}") for size, row in logits.items()},
    }


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    import timm
    import torchvision

    made = {name: golden(getattr(torchvision.models, name)(), published.SHAPES) for name in NAMES}
    made |= {f"timm/{name}": golden(timm.create_model(name), ["small"]) for name in ("vgg16", "resnet50")}
    published.GOLDENS.write_text(json.dumps(made, indent=1) + "\n")
