"""Makes goldens.npz: what pytorch-grad-cam's methods give on `peer_network`, normalised as it does.

Needs grad-cam (1.5.7 made the committed file) with what it imports. Beside the CPU-only torch, torchvision's wheel
needs its operators' schemas registered first; any module that does so can be named as the first argument.

    python -m tests.explanation.make_goldens [MODULE]
"""

import importlib
import sys
from pathlib import Path

import numpy as np

from convolens.trunks import Preprocessing
from tests.explanation.peer_network import TAPS, TAPS_OF, network, pictures, score

if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    import pytorch_grad_cam as peer

    methods = {
        "gradcam": peer.GradCAM, "gradcam++": peer.GradCAMPlusPlus, "hirescam": peer.HiResCAM,
        "layercam": peer.LayerCAM, "eigencam": peer.EigenCAM, "scorecam": peer.ScoreCAM,
        "ablationcam": peer.AblationCAM,
    }  # fmt: skip
    batch = Preprocessing()(list(pictures())).double()
    maps = {}
    for name, method in methods.items():
        for where in TAPS_OF.get(name, tuple(TAPS)):
            net = network()
            with method(model=net, target_layers=[net[int(TAPS[where])]]) as found:
                maps[f"{name} {where}"] = found(input_tensor=batch.clone(), targets=[score, score]).astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("goldens.npz"), **maps)
