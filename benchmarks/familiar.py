"""Pictures of classes left out: how well a classifier tells them from those of its own, and the rate that it promises.

`python -m benchmarks.familiar [surfaces] [digits]`

Surfaces are crops of scikit-image's photos of brick, grass and gravel, each left out in turn: columns 0 to 239 of 512
are learned from, 240 to 335 are kept out and 336 to 511 tested on. Digits are scikit-learn's 1,797, 8 pixels a side
brought to 32: of the seven that are left 60% are learned from, 20% kept out and 20% tested on. Descriptions are of the
weights `hed`, which never saw either. For each score the AUROC of left-out against tested pictures: the angle and the
Mahalanobis distance in whitened features (`models/familiar`), the energy of a linear head (Liu et al., "Energy-based
Out-of-distribution Detection", NeurIPS 2020), the largest probability, and the nearest neighbor by cosine, plain and
whitened. Then the fraction of others among the 95% most familiar, and the false alarms at 1% and 5%, of the angle.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

import convolens as cl
from convolens.evaluation.familiar import familiarity_metrics
from convolens.evaluation.unusual import auroc
from convolens.media.images import read_image
from convolens.models.familiar import ClassStatistics, Familiarity, descriptions
from convolens.tour.pictures import handwritten_digits, photo
from convolens.tour.surfaces import SURFACES
from convolens.training.linear import fit_linear

TAP = "conv4_3"
COLUMNS = {"learned": (0, 240), "kept out": (240, 336), "tested": (336, 512)}
CROPS, SIDE = {"learned": 60, "kept out": 30, "tested": 40}, 64
LEFT_OUT = ((0, 1, 2), (3, 5, 8), (4, 7, 9), (0, 6, 8))
HEADER = ("left out", "angle", "distance", "energy", "largest p", "nearest", "whitened", "FPR95", "at 1%", "at 5%")


class Case(NamedTuple):
    """Descriptions of pictures of the classes that are left, of those left out, and labels."""

    name: str
    learned: Tensor
    labels: Tensor
    kept_out: Tensor
    tested: Tensor
    others: Tensor


def described(pictures: list[NDArray[Any]]) -> Tensor:
    """By the network."""
    trunk = cl.trunk("vgg16", weights="hed")
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            batch = torch.cat([trunk.preprocess([one]) for one in pictures[start : start + 32]])
            found.append(descriptions([trunk(batch, taps=(TAP,))[TAP]]).float())
    return torch.cat(found).clone()


def surfaces() -> Iterator[Case]:
    """Each left out in turn."""
    random, found = np.random.default_rng(0), {}
    for part, (left, right) in COLUMNS.items():
        crops = []
        for name in SURFACES:
            columns = read_image(photo(f"{name}.png"))[:, left:right]
            for _ in range(CROPS[part]):
                y, x = (int(random.integers(side - SIDE + 1)) for side in columns.shape)
                crops.append(columns[y : y + SIDE, x : x + SIDE])
        found[part] = described(crops), np.repeat(np.arange(len(SURFACES)), CROPS[part])
    for number, name in enumerate(SURFACES):
        left_in = {part: (x[labels != number], labels[labels != number]) for part, (x, labels) in found.items()}
        labels = np.unique(left_in["learned"][1], return_inverse=True)[1]
        x, own = found["tested"]
        yield Case(name, left_in["learned"][0], torch.from_numpy(labels), left_in["kept out"][0], left_in["tested"][0],
                   x[own == number])  # fmt: skip


def digits() -> Iterator[Case]:
    """Three left out, four times."""
    lines = np.loadtxt(handwritten_digits(), delimiter=",")
    grays = np.clip(lines[:, :-1].reshape(-1, 8, 8) * 16, 0, 255).astype(np.uint8)
    x = described([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in grays])
    labels, random = lines[:, -1].astype(np.int64), np.random.default_rng(0)
    for out in LEFT_OUT:
        others = np.isin(labels, out)
        order = random.permutation(np.flatnonzero(~others))
        learned, kept_out, tested = np.split(order, [round(0.6 * len(order)), round(0.8 * len(order))])
        own = torch.from_numpy(np.unique(labels[learned], return_inverse=True)[1])
        yield Case("".join(map(str, out)), x[learned], own, x[kept_out], x[tested], x[others])


def compare(case: Case) -> list[str]:
    """A row of the table."""
    statistics = ClassStatistics.fitted(case.learned, case.labels)
    inverse = _inverse(case.learned, case.labels)
    both = (case.tested, case.others)
    scores = {
        "angle": [statistics(x) for x in both],
        "distance": _distances(case, inverse, both),
        **_of_head(case, both),
        "nearest": _nearest(case.learned, both, torch.eye(case.learned.shape[1])),
        "whitened": _nearest(case.learned, both, torch.linalg.cholesky(inverse).float()),
    }
    areas = [auroc(other.numpy(), own.numpy()) for own, other in scores.values()]
    familiarity = Familiarity.fitted(case.learned, case.labels, case.kept_out)
    known, others = (familiarity.of(x) for x in both)
    fpr = familiarity_metrics(known, others)["familiar_fpr95"]
    rates = [float((known < rate).mean()) for rate in (0.01, 0.05)]
    return [case.name, *(f"{area:.3f}" for area in areas), *(f"{one:.1%}" for one in (fpr, *rates))]


def _means(x: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([x[labels == number].mean(dim=0) for number in range(int(labels.max()) + 1)])


def _inverse(x: Tensor, labels: Tensor) -> Tensor:
    """Of the shrunk covariance around the classes' means, by scikit-learn."""
    from sklearn.covariance import ledoit_wolf

    away = (x - _means(x, labels)[labels]).double().numpy()
    scale = 1 / np.maximum(away.std(axis=0), 1e-9)
    covariance = ledoit_wolf(away * scale, assume_centered=True)[0]
    return torch.from_numpy(np.linalg.inv(covariance) * np.outer(scale, scale))


def _distances(case: Case, inverse: Tensor, both: tuple[Tensor, Tensor]) -> list[Tensor]:
    factor, means = torch.linalg.cholesky(inverse), _means(case.learned, case.labels).double()
    return [torch.cdist(x.double() @ factor, means @ factor).amin(dim=1) for x in both]


def _of_head(case: Case, both: tuple[Tensor, Tensor]) -> dict[str, list[Tensor]]:
    """Energy, and one minus the largest probability, of a head on the means, which is what a classifier has."""
    means = slice(0, case.learned.shape[1] // 2)
    classes = int(case.labels.max()) + 1
    *_, fit = fit_linear(
        case.learned[:, means], lambda scores: cross_entropy(scores, case.labels), classes, weight_decay=0.01
    )
    scores = [x[:, means].double() @ fit.weight.double().T + fit.bias.double() for x in both]
    return {
        "energy": [-one.logsumexp(dim=1) for one in scores],
        "largest p": [1 - one.softmax(dim=1).amax(dim=1) for one in scores],
    }


def _nearest(learned: Tensor, both: tuple[Tensor, Tensor], factor: Tensor) -> list[Tensor]:
    """One minus the cosine of the fifth nearest, from the middle."""
    middle = learned.mean(dim=0)
    known = normalize((learned - middle) @ factor)
    return [1 - (normalize((x - middle) @ factor) @ known.T).topk(5, dim=1).values[:, -1] for x in both]


CASES = {"surfaces": surfaces, "digits": digits}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="{surfaces,digits}")
    start = time.perf_counter()
    print("".join(f"{one:>10}" for one in HEADER))
    for name in parser.parse_args().cases or CASES:
        for one in CASES[name]():
            print("".join(f"{cell:>10}" for cell in compare(one)), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")
