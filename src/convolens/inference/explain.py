"""Pictures explained, and the explanations kept.

    OUT/NAME.png             the overlay, enlarged where it is too small to be looked at; with several methods one
                             beside the other
    OUT/NAME.npy             where requested: the maps, (methods, height, width) float32 in the picture's own pixels
    OUT/NAME.heat.png        with them: their positive parts in colours, black where nothing spoke for the class
    OUT/explanations.jsonl   a line for each picture: path, and for each method class, score and box; or its error

Results lie as their pictures do, in the same folders; of `0.png` and `0.jpg` in one folder they are `0-png.png` and
`0-jpg.png`. A few pictures are held at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.explanation import Explanation, explain_by
from convolens.inference.explanation_page import ExplanationPage
from convolens.inference.fingerprints import fingerprint
from convolens.inference.lines import explanation_lines
from convolens.media.draw import heatmap, sheet
from convolens.media.files import AnyPath, need_target, writing
from convolens.media.images import Picture, write_picture
from convolens.media.inputs import Inputs, given, need_no_input
from convolens.media.one_writer import only_writer
from convolens.media.parts import part_in
from convolens.media.picture_files import (
    File,
    Outcome,
    ResultPaths,
    attempt,
    count_pictures,
    decoded_ahead,
    find_pictures,
    is_picture,
)
from convolens.media.pixels import as_rgb8
from convolens.media.result_folders import EXPLANATIONS
from convolens.sources import Share


@dataclass(frozen=True)
class Explained:
    """What a line says of a picture.

    Attributes:
        written: where the overlay is; empty where none was requested.
        explanations: each with `method label score probability box_xyxy`, and of a detector's objects `found_xyxy`.
    """

    written: str
    explanations: list[dict[str, Any]]


def explain_files(
    model: Any,
    sources: Sequence[AnyPath],
    out: Path | None,
    methods: Sequence[str],
    *,
    page: Path | None = None,
    maps: bool = False,
    shard: str | Share | None = None,
    **options: Any,
) -> Iterator[Outcome[Explained]]:
    """Explains each picture by each method and writes what the module says; each file is decoded once.

    Args:
        model: what `explain` takes.
        sources: files, folders, patterns, addresses, tar shards, Parquet tables. A picture that cannot be read is
            reported in its line, and the others are done.
        out: a folder, made where it is missing; for a single file also the name of the overlay to write; None writes
            none.
        methods: as for `explain`.
        page: also writes a page of the worst `explanation_page.MOST` pictures there.
        maps: also writes the maps.
        shard: explains one of several equal shares alone, such as `3/16`, into a folder; see `predict_files`.
        options: as for `explain`.

    Yields:
        What became of each, in order.

    Raises:
        ArgumentError: `out` is neither a folder nor a picture's name, or a picture's name for several; or a page of a
            detector is requested.
        FileError: the folder cannot be made, or nothing be written there, or another process is writing there.
    """
    folder, share = None if out is None or _is_one_overlay(out, sources) else out, Share.of(shard)
    if share is not None and (folder is None or page is not None):
        raise ArgumentError("shard: need a folder as --out, and no page, where a part is explained")
    meant = partial(find_pictures, sources, outside=folder, share=share)
    count = count_pictures(sources, folder, share)  # refuses what is none before a folder is made
    target = (lambda _: out) if folder is None else ResultPaths(sources, folder, ".png")
    shown = None if page is None else ExplanationPage(model, methods, count, options)
    inputs = Inputs()
    inputs.add(*sources, results=folder)

    def explained(file: File, pixels: NDArray[Any]) -> Explained:
        if shown is not None:
            shown.add(file, pixels)
        with given(inputs):
            return _written(model, file, pixels, target(file), methods, maps, options)

    with given(inputs):
        for wanted in (page, *([] if folder is None else [folder / EXPLANATIONS])):
            if wanted is not None:
                need_target(wanted)
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(only_writer(folder))
            facts = {"methods": list(methods), "maps": maps, "options": options}
            if share is not None:
                facts["model"] = fingerprint(model)
            stack.enter_context(part_in(folder, share, "explain", facts, sources, EXPLANATIONS))
        write_line = stack.enter_context(explanation_lines(folder))
        for decoded in decoded_ahead(meant()):
            outcome: Outcome[Any] = decoded
            if decoded.result is not None:
                outcome = attempt(decoded.path, partial(explained, decoded.path, decoded.result))
            if shown is not None and outcome.error:
                shown.skip(decoded.path, outcome.error)
            write_line(outcome.line())
            yield outcome
    if page is not None and shown is not None:
        with writing(page) as draft:
            draft.write_text(shown.html(), encoding="utf-8")


def _is_one_overlay(out: Path, sources: Sequence[AnyPath]) -> bool:
    """Whether `out` names the overlay itself rather than a folder of them."""
    if is_picture(out.name):
        if len(list(islice(find_pictures(sources), 2))) > 1:
            raise ArgumentError(f"--out: need a folder for several pictures, got the picture {out}")
        return True
    if out.suffix[1:].isalpha() and not out.is_dir():  # such as .pdf: hardly meant as a folder
        raise ArgumentError(f"--out: need a folder or a picture's name (.png, .jpg, .webp, .tif), got {out}")
    return False


def _written(
    model: Any,
    file: File,
    pixels: NDArray[Any],
    target: Path | None,
    methods: Sequence[str],
    maps: bool,
    options: dict[str, Any],
) -> Explained:
    if target is None:
        return Explained("", [])
    map_files = _map_files(target) if maps else ()
    need_no_input(target, *map_files)  # all of them before the first is written
    found = [one for of_method in explain_by(model, pixels, methods, **options) for one in of_method]
    write_picture(target, Picture(_drawn(found) if found else as_rgb8(pixels)))
    if map_files and found:
        _write_maps(*map_files, found)
    return Explained(str(target), [_in_plain_data(one) for one in found])


def _drawn(found: Sequence[Explanation]) -> NDArray[np.uint8]:
    shown = [one.drawn() for one in found]
    return shown[0] if len(found) == 1 else sheet(shown, [_title(one) for one in found])


def _title(one: Explanation) -> str:
    return f"{one.method}: {one.label} {one.score_text}"


def _map_files(target: Path) -> tuple[Path, Path]:
    """Where the maps of an overlay go: as numbers, and in colours."""
    return target.with_suffix(".npy"), target.with_suffix(".heat.png")


def _write_maps(numbers: Path, colored: Path, found: Sequence[Explanation]) -> None:
    with writing(numbers) as draft, draft.open("wb") as stream:
        np.save(stream, np.stack([one.heatmap for one in found]))
    painted = [heatmap(one.normalized(), lowest=0, highest=1) for one in found]
    shown = painted[0] if len(found) == 1 else sheet(painted, [_title(one) for one in found])
    write_picture(colored, Picture(shown))


def _in_plain_data(one: Explanation) -> dict[str, Any]:
    fields = {"method": one.method, "label": one.label, "score": one.score, "probability": one.probability}
    return fields | {"box_xyxy": one.box()} | ({} if one.found_xyxy is None else {"found_xyxy": one.found_xyxy})
