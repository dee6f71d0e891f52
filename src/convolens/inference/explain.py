"""Pictures explained, and the explanations kept.

    OUT/NAME.png             the overlay; with several methods one beside the other
    OUT/NAME.npy             where asked for: the maps, (methods, height, width) float32 in the picture's own pixels
    OUT/NAME.heat.png        with them: their positive parts in colours, black where nothing spoke for the class
    OUT/explanations.jsonl   a line for each picture: path, and for each method class, score and box; or its error

One picture is held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.data import PICTURE_SUFFIXES
from convolens.errors import ArgumentError, FileError, ShapeError
from convolens.explanation import Explanation, explain
from convolens.inference.explanation_page import explanation_page
from convolens.media.draw import boxes, heatmap, sheet
from convolens.media.files import make_folder, writing
from convolens.media.images import Picture, read_rgb8, write_picture


def explain_files(
    model: Any, files: Sequence[Path], out: Path, methods: Sequence[str], *, maps: bool = False, **options: Any
) -> Iterator[dict[str, Any]]:
    """Explains each file by each method and writes what the module says.

    Args:
        model: what `explain` takes.
        files: pictures. One that cannot be read is reported in its line, and the others are done.
        out: a folder, made where it is missing; for a single file also the name of the overlay to write.
        methods: as for `explain`.
        maps: also writes the maps.
        options: as for `explain`.

    Yields:
        The line of each file, as a dict: `path`, `written` and `explanations` (each with `method label score
        box_xyxy`, and of a detector's objects `found_xyxy`), or `path` and `error`.

    Raises:
        ArgumentError: `out` is neither a folder nor a picture's name, or two files would have one overlay.
        FileError: the folder cannot be made, or nothing be written there.
    """
    targets = overlay_paths(files, out)
    if targets == [out]:
        yield from _each(model, files, targets, methods, maps, options)
        return
    with writing(out / "explanations.jsonl") as draft, draft.open("w", encoding="utf-8") as lines:
        for line in _each(model, files, targets, methods, maps, options):
            lines.write(json.dumps(line) + "\n")
            yield line


def write_explanation_page(
    model: Any, files: Sequence[Path], page: Path, methods: Sequence[str], **options: Any
) -> list[str]:
    """Writes `explanation_page` of the files, and gives the errors of those that could not be read.

    Arguments as for `explain_files`.

    Raises:
        FileError: the page cannot be written.
    """
    text, errors = explanation_page(model, files, methods, **options)
    with writing(page) as draft:
        draft.write_text(text, encoding="utf-8")
    return errors


def overlay_paths(files: Sequence[Path], out: Path) -> list[Path]:
    """Where each file's overlay goes: `out` itself if it is a picture's name, or a file of the same name in `out`."""
    if out.suffix.lower() in PICTURE_SUFFIXES:
        if len(files) > 1:
            raise ArgumentError(f"--out: need a folder for {len(files)} pictures, got the picture {out}")
        return [out]
    if out.suffix[1:].isalpha() and not out.is_dir():  # such as .pdf: hardly meant as a folder
        raise ArgumentError(f"--out: need a folder or a picture's name (.png, .jpg, .webp, .tif), got {out}")
    names = [f"{file.stem}.png" for file in files]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled:
        raise ArgumentError(f"files: need names that differ, as overlays go to one folder; {doubled} would be two")
    folder = make_folder(out)
    return [folder / name for name in names]


def _each(
    model: Any,
    files: Sequence[Path],
    targets: Sequence[Path],
    methods: Sequence[str],
    maps: bool,
    options: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    for file, target in zip(files, targets, strict=True):
        try:
            found = _found(model, file, methods, options)
            write_picture(target, Picture(_drawn(found) if found else read_rgb8(file)[0]), keeping=(file,))
            if maps and found:
                _write_maps(target.with_suffix(".npy"), found)
        except (FileError, ShapeError) as error:
            yield {"path": str(file), "error": str(error) if str(file) in str(error) else f"{file}: {error}"}
            continue
        yield {"path": str(file), "written": str(target), "explanations": [_in_plain_data(one) for one in found]}


def _found(model: Any, file: Path, methods: Sequence[str], options: dict[str, Any]) -> list[Explanation]:
    """By each method; of a detector the explanations of all objects, one after another."""
    found: list[Explanation] = []
    for method in methods:
        one: Any = explain(model, file, method=method, **options)
        found += one if isinstance(one, list) else [one]
    return found


def _drawn(found: Sequence[Explanation]) -> NDArray[np.uint8]:
    shown = [_overlay(one) for one in found]
    return shown[0] if len(found) == 1 else sheet(shown, [_title(one) for one in found])


def _overlay(one: Explanation) -> NDArray[np.uint8]:
    """With a detection's own box."""
    if one.found_xyxy is None:
        return one.overlay()
    return boxes(one.overlay(), np.array([one.found_xyxy]), labels=[one.label])


def _title(one: Explanation) -> str:
    return f"{one.method}: {one.label}"


def _write_maps(path: Path, found: Sequence[Explanation]) -> None:
    with writing(path) as draft, draft.open("wb") as stream:
        np.save(stream, np.stack([one.heatmap for one in found]))
    painted = [heatmap(one.shares(), lowest=0, highest=1) for one in found]
    shown = painted[0] if len(found) == 1 else sheet(painted, [_title(one) for one in found])
    write_picture(path.with_suffix(".heat.png"), Picture(shown))


def _in_plain_data(one: Explanation) -> dict[str, Any]:
    return {"method": one.method, "label": one.label, "score": one.score, "box_xyxy": one.box()} | (
        {} if one.found_xyxy is None else {"found_xyxy": one.found_xyxy}
    )
