"""Makes goldens.json from torchvision's `ssd300_vgg16`: boxes, outputs, losses, detections, of what `known` holds.

Needs torchvision (0.29 made the committed file). Beside the CPU-only torch, torchvision's wheel needs its operators
registered first; any module that does so can be named as the first argument.

    python -m tests.models.detect.make_goldens [MODULE]
"""

import hashlib
import importlib
import json
import sys

import torch

from tests.models.detect import known
from tests.trunks.published import fill


def rounded(values, digits=7):
    return [float(f"{value:.{digits}g}") for value in values.flatten().tolist()]


@torch.inference_mode()
def golden(model, classes):
    from torchvision.models.detection.image_list import ImageList

    state = model.state_dict()
    fill(state)
    features = list(model.backbone(known.batch()).values())
    heads = model.head(features)
    anchors = model.anchor_generator(ImageList(torch.zeros(2, 3, 300, 300), [(300, 300)] * 2), features)
    scores, offsets = known.outputs(classes)
    said = {"cls_logits": scores, "bbox_regression": offsets}
    return {
        "keys": {key: list(value.shape) for key, value in state.items()},
        "parameters": sum(value.numel() for value in model.parameters()),
        "default_boxes": hashlib.sha256(anchors[0].numpy().tobytes()).hexdigest(),
        "scores": rounded(known.sampled(heads["cls_logits"])),
        "largest_score": float(heads["cls_logits"].abs().max()),
        "offsets": rounded(known.sampled(heads["bbox_regression"])),
        "largest_offset": float(heads["bbox_regression"].abs().max()),
        "losses": losses(model, said, anchors, classes),
        "detections": detections(model, said, anchors),
    }


def losses(model, said, anchors, classes):
    from torchvision.ops import box_iou

    targets = [{"boxes": boxes * 300, "labels": labels + 1} for boxes, labels in known.objects(classes)]
    matched = [model.proposal_matcher(box_iou(target["boxes"], anchors[0])) for target in targets]
    found = model.compute_loss(targets, said, anchors, matched)
    return {name: float(value) for name, value in found.items()}


def detections(model, said, anchors):
    found = model.postprocess_detections(said, anchors, [(300, 300)] * 2)
    found = model.transform.postprocess(found, [(300, 300)] * 2, list(known.SIZES))
    for one in found:
        assert (one["scores"].diff() < 0).all(), "equal scores have no order"
    return [
        {
            "classes": (one["labels"] - 1).tolist(),
            "scores": rounded(one["scores"]),
            "boxes_xyxy": [round(float(side), 2) for side in one["boxes"].flatten()],
        }
        for one in found
    ]


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    from torchvision.models.detection import ssd300_vgg16

    made = {}
    for classes in known.CLASSES:
        torch.manual_seed(0)
        model = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes).eval()
        with torch.inference_mode():
            prepared = model.transform([torch.from_numpy(one).permute(2, 0, 1) for one in known.pictures()])[0].tensors
        made[str(classes)] = golden(model, classes) | {"prepared": rounded(known.sampled(prepared))}
    known.GOLDENS.write_text(json.dumps(made, separators=(",", ":")).replace('"scores"', '\n"scores"') + "\n")
