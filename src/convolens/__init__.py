"""One convolution, from an echo to a detector. `import convolens as cl`.

Names are looked up on first use, so that importing the package loads neither torch nor scipy.
"""

from __future__ import annotations

import logging
from typing import Any

from convolens.first_use import loaded as _loaded

logging.getLogger("convolens").addHandler(logging.NullHandler())  # silent until the program that uses it wants to hear

_HOME = {
    "layers": "",
    "fuse": "layers",
    "errors": "",
    "memory_limit": "settings",
    "precision": "settings",
    "threads": "settings",
    "read_audio": "media.audio",
    "write_audio": "media.audio",
    "read_image": "media.images",
    "write_image": "media.images",
    "draw_boxes": "media.draw",
    "convolve": "convolution",
    "convolve_gradients": "convolution",
    "convolver": "convolution",
    "correlate": "convolution",
    "plan": "convolution",
    "echo": "effects.sounds.echo",
    "echo_kernel": "effects.sounds.echo",
    "reverb": "effects.sounds.reverb",
    "unecho": "effects.sounds.unecho",
    "spectrogram": "effects.sounds.spectrogram",
    "find_echoes": "effects.sounds.echo_search",
    "blur": "effects.pictures.blur",
    "sharpen": "effects.pictures.sharpen",
    "resize": "effects.pictures.resize",
    "find_blur": "effects.pictures.blur_search",
    "unblur": "effects.pictures.unblur",
    "sobel": "effects.pictures.edges",
    "sobel_gradients": "effects.pictures.edges",
    "scharr": "effects.pictures.edges",
    "prewitt": "effects.pictures.edges",
    "laplacian_of_gaussian": "effects.pictures.laplace",
    "difference_of_gaussians": "effects.pictures.laplace",
    "canny": "effects.pictures.canny",
    "kernel": "effects.kernels",
    "trunk": "trunks.registry",
    "convolutionalize": "features.convolutionalize",
    "receptive_fields": "trunks",
    "share_trunk": "features.shared_trunk",
    "learned_edges": "features.learned_edges",
    "classifier": "models.classify",
    "localizer": "models.localize",
    "detector": "models.detect.build",
    "load": "loading",
    "export": "exporting.export",
    "train": "training.train",
    "evaluate": "evaluation.evaluate",
    "convert": "data.conversion",
    "predict_files": "inference.predict",
    "quantize": "inference.quantize",
    "features_of_files": "inference.pooled_features",
    "listen": "features.listening",
    "near_copies": "inference.near_copies",
    "similar": "inference.similar",
    "explain": "explanation",
    "explain_top": "explanation",
    "wrap_module": "explanation.wrap",
    "stylize": "stylization",
    "gram": "stylization",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("convolens")
    home = _HOME.get(name)
    if home is None:
        from convolens.errors import did_you_mean

        raise AttributeError(f"module 'convolens' has no attribute {name!r}{did_you_mean(name, _HOME)}")
    module = _loaded(f"convolens.{home or name}")
    value = module if not home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
