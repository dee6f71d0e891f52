"""The figure of regions in docs: which method the planner takes, by size of signal and kernel.

`python -m benchmarks.regions` asks the cost model, times nothing, and writes docs/pictures/regions.png.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

import convolens as cl
from convolens.convolution.arrange import arrange
from convolens.convolution.planner import plan_for
from convolens.convolution.spec import Spec
from convolens.convolution.structure import Structure

FIGURE = Path(__file__).parents[1] / "docs" / "pictures" / "regions.png"
COLORS = {"direct": "#4477aa", "separable": "#228833", "overlap_save": "#ccbb44", "fft": "#ee6677"}
THREADS = 2


def run() -> None:
    cl.threads(THREADS)
    figure, panels = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    one = np.logspace(2, 7, 60).astype(int)
    two = np.logspace(1.3, 3.6, 60).astype(int)
    panel(panels[0], "a sound, dense kernel", one, np.logspace(0.31, 5, 60).astype(int), 1, rank_one=False)
    panel(panels[1], "a picture, dense kernel", two, np.logspace(0.31, 2.5, 60).astype(int), 2, rank_one=False)
    panel(panels[2], "a picture, kernel of rank one", two, np.logspace(0.31, 2.5, 60).astype(int), 2, rank_one=True)
    figure.legend(handles=[Patch(color=c, label=n) for n, c in COLORS.items()], loc="outside lower center", ncols=4)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110, metadata={"Software": None})


def panel(axes: pyplot.Axes, title: str, sizes: np.ndarray, kernels: np.ndarray, ndim: int, *, rank_one: bool) -> None:
    names = list(COLORS)
    cells = np.array([[names.index(method(size, kernel, ndim, rank_one)) for size in sizes] for kernel in kernels])
    axes.pcolormesh(sizes, kernels, cells, cmap=ListedColormap(list(COLORS.values())), vmin=-0.5, vmax=len(names) - 0.5)
    axes.set(xscale="log", yscale="log", title=title, xlabel="samples a side", ylabel="weights a side")


def method(size: int, kernel: int, ndim: int, rank_one: bool) -> str:
    """The planner's choice for float32 in mode `same`, without making arrays of that size."""
    shape, weights = (int(size),) * ndim, (int(kernel),) * ndim
    window = arrange(shape, weights, "same", None, "constant", 0).window
    taps = int(kernel) ** ndim
    structure = Structure(taps, 0, 1, Structure(int(kernel))) if rank_one else Structure(taps)
    float32 = np.dtype(np.float32)
    spec = Spec(shape, weights, window.before, window.after, "constant", float32, float32, structure=structure)
    return plan_for(spec).method


if __name__ == "__main__":
    run()
