"""Which sounds are meant by what was given, and where the results of many go; as `found_pictures` of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from convolens.errors import FileError, FormatError
from convolens.media.audio_writing import format_of
from convolens.media.files import AnyPath, make_folder
from convolens.media.folders import files_below, is_closed_folder
from convolens.media.kernels import SOUNDS
from convolens.media.result_paths import folder_of_source
from convolens.sources import as_address


def is_sound(name: object) -> bool:
    """Whether a file's name ends as a sound's does."""
    return str(name).lower().endswith(SOUNDS)


def is_many_sounds(source: AnyPath) -> bool:
    """Whether it names a folder or a pattern rather than a file."""
    return not as_address(source) and (Path(source).is_dir() or _is_pattern(source))


def find_sounds(sources: Sequence[AnyPath], outside: AnyPath | None = None) -> list[Path]:
    """The sound files that are meant: files as they are, folders with all below, patterns.

    A folder below that cannot be looked into is among them: reading it says so.

    Args:
        sources: in order.
        outside: a folder whose files are left out, as they are results.

    Raises:
        FileError: a source without sounds.
    """
    hidden, found = Path(outside).resolve() if outside is not None else None, []
    for source in sources:
        here = [one for one in _meant(source) if hidden is None or not one.resolve().is_relative_to(hidden)]
        if not here:
            raise FileError(f"{source}: need sounds ({' '.join(SOUNDS[:6])} …), found none")
        found += here
    return found


def sound_results(source: AnyPath, folder: AnyPath) -> dict[Path, Path]:
    """Where the result of each sound goes: as deep below the folder as it lies itself, under its own name.

    What is read and not written (M4A, the sound of films) becomes a FLAC with its suffix in its name. The folders are
    made.

    Raises:
        FileError: no sounds; or the results would lie where the sounds do.
    """
    target, base = make_folder(folder), folder_of_source(Path(source))
    if target.resolve() == base.resolve():
        raise FileError(f"{folder}: is the folder of the inputs, which are never overwritten; give another")
    results = {}
    for file in find_sounds([source], outside=target):
        place = make_folder(target / file.parent.relative_to(base))
        results[file] = place / (file.name if _is_written(file) else f"{file.name.replace('.', '-')}.flac")
    return results


def _is_written(file: Path) -> bool:
    try:
        format_of(file)
    except FormatError:
        return False
    return True


def _meant(source: AnyPath) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return [Path(one) for one in files_below(path) if is_sound(one) or is_closed_folder(one)]
    if _is_pattern(source):
        return [Path(one) for one in sorted(glob(str(source), recursive=True)) if is_sound(one)]  # noqa: PTH207
    return [path]


def _is_pattern(source: AnyPath) -> bool:
    return not Path(source).exists() and has_magic(str(source))
