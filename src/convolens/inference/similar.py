"""`convolens similar`: the pictures of a folder or a table that are most like one, by what taps give.

Features are pooled over the picture, as `convolens features` writes them. Of each tap their square roots are brought to
unit length, so that light and contrast count less; each is measured from its mean over the pictures that are looked
through, in its standard deviation there, and where there are more pictures than features they are whitened (Jégou and
Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening", ECCV 2012). Pictures
are compared by the cosine of the angle; the one that is looked for as it is and mirrored. The likest are then looked at
more closely (`closely.py`), so that of all alike the one that shows the same comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.typing import NDArray

from convolens.arrays import as_flag, as_whole
from convolens.effects.sounds.hearing import hears
from convolens.errors import UNREADABLE, ArgumentError, ConvolensError, FileError, printable
from convolens.inference.closely import Like, files_named, same_first
from convolens.inference.feature_rows import files_for, rows_of, trunk_of
from convolens.inference.feature_table import SUFFIXES, FeatureTable, read_feature_table
from convolens.inference.nearest import nearest
from convolens.media.draw import sheet
from convolens.media.files import AnyPath
from convolens.media.found_pictures import File, as_sources
from convolens.media.images import read_image
from convolens.media.picture_files import Outcome
from convolens.media.pixels import Picture, as_pictures, as_pixels, as_rgb8, over_white
from convolens.media.showing import Drawn
from convolens.memory import need_memory
from convolens.models.inputs import evaluating, running_on
from convolens.progress import track
from convolens.sources import as_address

_FEW = 16  # pictures, below which features are compared as they are
_LEAST_SPREAD = 1e-6  # of a feature: less is the same in all pictures, and says nothing
_RIDGE = 0.1  # of the variance of a feature: what hardly varies is mostly noise
_MOST = 20_000  # pictures whose features' covariance is taken
_HEIGHT = 160  # pixels of a picture on the sheet
CLOSELY = 100  # of the likest by features that are looked at again


@dataclass(frozen=True, repr=False)
class Similar(Drawn):
    """The pictures most like one: first what shows the same, then the likest.

    Attributes:
        paths: of the pictures.
        scores: how alike each is by its features: 1 for the same picture, about 0 for another. Of what shows the same,
            how well one lies in the other, from 0.85 on.
        picture: what was looked for.
        failed: the sentences of pictures that could not be used.
        same: whether each shows the same, whole or a part of it.
        unopened: of those of the likest that were to be looked at again and could not be opened, as a table may name
            pictures that have gone: features alone say how alike they are.
    """

    paths: tuple[str, ...]
    scores: tuple[float, ...]
    picture: Any
    failed: tuple[str, ...] = ()
    same: tuple[bool, ...] = ()
    unopened: tuple[str, ...] = ()

    def drawn(self) -> UInt8[ndarray, "height width 3"]:
        """A contact sheet: the picture, and those like it that are still there."""
        shown, words = [as_rgb8(over_white(as_pixels(self.picture)))], ["looked for"]
        for path, score in zip(self.paths, self.scores, strict=True):
            try:
                shown.append(as_rgb8(over_white(read_image(path))))
            except (*UNREADABLE, ConvolensError):
                continue
            words.append(f"{printable(Path(path).name)} {score:.2f}")
        return sheet(shown, words, height=_HEIGHT)

    def __str__(self) -> str:
        rows = zip(self.paths, self.scores, self.same, strict=True)
        return "\n".join(f"{printable(path)}  {score:.3f}{'  the same' * same}" for path, score, same in rows)

    def __repr__(self) -> str:
        return f"Similar({len(self.paths)}, the likest {self.paths[0]} {self.scores[0]:.3f})"


def similar(
    model: Any,
    picture: Picture,
    among: AnyPath | Sequence[AnyPath],
    *,
    taps: Sequence[str] | str | None = None,
    count: int = 10,
    closely: int = CLOSELY,
    flip: bool = True,
    batch: int = 16,
    progress: bool = True,
    device: str = "auto",
) -> Similar:
    """The pictures most like one, by the features of a network; what shows the same comes first.

    Args:
        model: a classifier, localizer, detector or inspector, or a trunk. One that hears looks for sounds, and of such
            as are longer than it takes at once in each part, whose times are in its path.
        picture: what is looked for: a path, an array, ….
        among: a table that `convolens features` wrote with the same model (`.parquet`, `.npz`); or pictures: a folder,
            a pattern, an address, or several, whose features are computed first.
        taps: of the trunk. None: those of the table; else the model's own, or a trunk's last.
        count: how many to give, at most.
        closely: how many of the likest are opened again and laid over the picture, as `near_copies` does: what shows
            the same, cut, mirrored, lighter or in a smaller file, comes before what is merely alike. 0: none, as of
            sounds.
        flip: whether a mirrored picture is as alike; a sound's never is.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar.
        device: where to run: `cpu`, `cuda`, …; `auto` is where the model is.

    Returns:
        The pictures, likest first.

    Raises:
        ArgumentError: no such tap, what has no taps, or features of another model.
        FileError: nothing is there, or nothing that can be used.
        FormatError: no such table.
        MemoryRefused: features of more pictures than the budget of memory holds.
    """
    count, batch = as_whole(count, "count", 1), as_whole(batch, "batch", 1)
    closely = as_whole(closely, "closely", 0)
    flip, progress = as_flag(flip, "flip"), as_flag(progress, "progress")
    pictures, many = as_pictures(picture)
    if many:
        raise ArgumentError("picture: need one to look for, got several")
    (wanted,) = pictures
    trunk = trunk_of(model)
    failed: list[str] = []
    files: dict[str, File] | None = None
    with running_on(model, device):
        if _is_table(among):
            table = read_feature_table(among)  # type: ignore[arg-type]
            chosen = trunk.chosen(tuple(table.taps) if taps is None else taps)
            _need_same(table, chosen, trunk, among)
        else:
            chosen = trunk.chosen(taps if taps is not None or model is trunk else tuple(model.taps))
            sources = as_sources([among] if isinstance(among, str | PathLike) else among)
            table, files = _computed(model, sources, chosen, batch, progress, failed)
        queries = _queries(model, wanted, chosen, flip=flip)
    what = "sounds" if hears(trunk) else "pictures"
    need_memory(
        8.0 * sum(table.taps[tap].size for tap in chosen), f"features of {len(table.paths):,} {what}",
        "look through fewer, or take a tap with fewer features",
    )  # fmt: skip
    vectors, asked = compared([table.taps[tap] for tap in chosen], queries)
    closely = 0 if hears(trunk) else closely
    numbers, alike = nearest(asked, vectors, max(count, closely))
    best = _merged(numbers.ravel(), alike.ravel(), max(count, closely))
    unopened: list[str] = []
    if closely:
        names = [table.paths[one.number] for one in best[:closely]]
        found = [files[name] for name in names] if files is not None else list(files_named(names))
        first, unopened = same_first(wanted, best[:closely], found, flip=flip)
        best = first + best[closely:]
    paths = tuple(table.paths[one.number] for one in best[:count])
    scores, same = tuple(one.score for one in best[:count]), tuple(one.same for one in best[:count])
    return Similar(paths, scores, wanted, tuple(failed), same, tuple(unopened))


def _is_table(among: object) -> bool:
    return isinstance(among, str | Path) and not as_address(among) and Path(among).suffix.lower() in SUFFIXES


def _need_same(table: FeatureTable, taps: Sequence[str], trunk: Any, path: object) -> None:
    """Refuses features that are another model's, as far as their numbers tell."""
    for tap in taps:
        found = table.taps[tap].shape[1] if tap in table.taps else None
        if found != trunk.channels(tap):
            got = f"{found} numbers" if found is not None else f"none, but {', '.join(table.taps)}"
            raise ArgumentError(
                f"{path}: need the {trunk.channels(tap)} features of {tap} of {trunk.name}, got {got}; give the model "
                "that the table was written with"
            )


def _computed(
    model: Any, sources: Any, taps: Sequence[str], batch: int, progress: bool, failed: list[str]
) -> tuple[FeatureTable, dict[str, File]]:
    """Features of pictures, as they are found, and the files by their names."""
    without: list[Outcome[Any]] = []
    files, total, what = files_for(model, sources)
    by_name: dict[str, File] = {}

    def remembered() -> Iterator[File]:
        for file in track(files, what, total, show=progress):
            by_name[str(file)] = file
            yield file

    rows = list(rows_of(model, taps, remembered(), batch, without))
    failed += [one.error for one in without]
    if not rows:
        raise FileError(f"among: need {what} that can be used, got none; {failed[0] if failed else 'none are there'}")
    features = {tap: np.array([values[at] for _, values in rows]) for at, tap in enumerate(taps)}
    return FeatureTable([name for name, _ in rows], features), by_name


def _queries(model: Any, picture: Picture, taps: Sequence[str], *, flip: bool) -> list[NDArray[np.float32]]:
    """The features of a picture, and where wanted of its mirror image: for each tap a row or two."""
    trunk = trunk_of(model)
    pixels = over_white(as_pixels(trunk.preprocessing.file(picture)))
    views = [pixels, np.ascontiguousarray(pixels[:, ::-1])] if flip and not hears(trunk) else [pixels]
    batch = model.preprocess(views)
    trunk.need_size(taps, batch.shape[2:], "picture")
    with evaluating(model):
        maps = trunk(batch, taps=tuple(taps))
        return [maps[tap].float().mean(dim=(2, 3)).cpu().numpy() for tap in taps]


def compared(
    several: Iterable[NDArray[np.float32]], queries: Iterable[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of unit length of many pictures and of the queries, as the module says."""
    vectors, asked = [], []
    for of_many, of_queries in zip(several, queries, strict=True):
        values, own = _unit(np.sqrt(np.maximum(of_many, 0))), _unit(np.sqrt(np.maximum(of_queries, 0)))
        mean, spread = values.mean(axis=0), values.std(axis=0)
        scale = np.where(spread > _LEAST_SPREAD, 1 / np.maximum(spread, _LEAST_SPREAD), 0)
        if len(values) < _FEW or not scale.any():  # a mean of so few, or of what never varies, says nothing
            mean, scale = np.zeros_like(mean), np.ones_like(mean)
        vectors.append(((values - mean) * scale).astype(np.float32))
        asked.append(((own - mean) * scale).astype(np.float32))
    found, wanted = np.hstack(vectors), np.hstack(asked)
    if len(found) > found.shape[1]:
        whiten = _whitening(found)
        found, wanted = found @ whiten, wanted @ whiten
    return _unit(found), _unit(wanted)


def _whitening(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What makes features uncorrelated that rise and fall together, and of equal variance but for `_RIDGE`."""
    some = vectors[:: -(-len(vectors) // _MOST)].astype(np.float64)
    values, directions = np.linalg.eigh(some.T @ some / len(some))
    found: NDArray[np.float32] = (directions / np.sqrt(values.clip(0) + _RIDGE)).astype(np.float32)
    return found


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    found: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return found


def _merged(numbers: NDArray[np.int64], alike: NDArray[np.float32], count: int) -> list[Like]:
    """The likest, each once, whichever way round it was found."""
    best: dict[int, float] = {}
    for number, score in zip(numbers.tolist(), alike.tolist(), strict=True):
        best[number] = max(score, best.get(number, -np.inf))
    return [Like(*one) for one in sorted(best.items(), key=lambda one: (-one[1], one[0]))[:count]]
