"""One convolution, from an echo to a detector. `import convolens as cl`.

Names are looked up on first use, so that importing the package loads neither torch nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "layers": "",
    "fuse": "layers.fuse",
    "errors": "",
    "precision": "settings",
    "threads": "settings",
    "read_audio": "media.audio",
    "write_audio": "media.audio",
    "read_image": "media.images",
    "write_image": "media.images",
    "convolve": "convolution",
    "convolve_gradients": "convolution",
    "correlate": "convolution",
    "plan": "convolution",
    "echo": "effects.echo",
    "reverb": "effects.reverb",
    "unecho": "effects.unecho",
    "find_echoes": "effects.echo_search",
    "blur": "effects.blur",
    "sharpen": "effects.sharpen",
    "sobel": "effects.edges",
    "sobel_gradients": "effects.edges",
    "scharr": "effects.edges",
    "prewitt": "effects.edges",
    "laplacian_of_gaussian": "effects.laplace",
    "difference_of_gaussians": "effects.laplace",
    "canny": "effects.canny",
    "kernel": "effects.kernels",
    "trunk": "trunks",
    "convolutionalize": "trunks",
    "receptive_fields": "trunks",
    "share_trunk": "trunks",
    "learned_edges": "tasks.learned_edges",
    "classifier": "tasks.classify",
    "localizer": "tasks.localize",
    "detector": "tasks.detect",
    "load": "tasks",
    "train": "workflows.train",
    "evaluate": "workflows.evaluate",
    "explain": "tasks.explain",
    "explain_top": "tasks.explain",
    "wrap_module": "tasks.explain",
    "stylize": "tasks.stylize",
    "gram": "tasks.stylize",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("convolens")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'convolens' has no attribute {name!r}")
    module = import_module(f"convolens.{home or name}")
    value = module if not home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
